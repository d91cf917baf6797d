"""``python -m kerasnlp_kit COMMAND``."""

from kerasnlp_kit.cli import main

if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Label texts with an exported model. Needs TensorFlow alone, not the package that trained the model.

python classify.py models/NAME/saved_model/1 "first text" "second text"
python classify.py models/NAME/saved_model/1 < texts.txt        (one text a line)

Prints one line a text: the label, a tab, its probability.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any

BATCH_SIZE = 64  # texts a call: standard input may be longer than memory


def main() -> int:
    """Parse the command line, then label batch after batch."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="a folder models/NAME/saved_model/1")
    parser.add_argument("texts", nargs="*", help="texts to label; without any, the lines of standard input")
    arguments = parser.parse_args()

    # Imported late, so that --help answers at once.
    import tensorflow as tf

    try:
        model = tf.saved_model.load(arguments.folder)
    except (OSError, RuntimeError, tf.errors.OpError) as error:
        if "not registered" in str(error):
            error = RuntimeError(f"{arguments.folder} needs operations beside TensorFlow's own: it is of subwords")
        print(f"classify.py: {error}", file=sys.stderr)
        return 1
    # TensorFlow strings are bytes; arguments and lines go in as they came, whatever the locale is.
    texts = (
        map(os.fsencode, arguments.texts) if arguments.texts else (line.rstrip(b"\r\n") for line in sys.stdin.buffer)
    )
    if "label" not in model.signatures["serving_default"].structured_outputs:
        print(f"classify.py: {arguments.folder} is no classifier of one label a text", file=sys.stderr)
        return 1
    for label, probability in classify(model, texts):
        sys.stdout.buffer.write(label + f"\t{probability:.6f}\n".encode())
        sys.stdout.buffer.flush()
    return 0


def classify(model: Any, texts: Iterator[bytes]) -> Iterator[tuple[bytes, float]]:
    """The label of each text and its probability."""
    import tensorflow as tf

    while batch := list(islice(texts, BATCH_SIZE)):
        answer = model.signatures["serving_default"](text=tf.constant(batch))
        yield from zip(answer["label"].numpy(), answer["probability"].numpy(), strict=True)


if __name__ == "__main__":
    sys.exit(main())

"""What setup.cfg asks for is what the package imports."""

import ast
import configparser
import re
import sys
from pathlib import Path

from kerasnlp_kit.api.documents import PACKAGES

CHECKOUT = Path(__file__).resolve().parent.parent
OPERATIONS = CHECKOUT / "kerasnlp_kit" / "text" / "operations.py"
MODULES = {
    "PyYAML": "yaml",
    "scikit-learn": "sklearn",
    "tensorflow-text": "tensorflow_text",
}  # where the package has another name than its module
OPTIONAL = {"jax", "torch", "tensorboard"}
LOADED = "tensorflow_text"  # its library of operations is, and none of its modules is imported


def requirements(lines: str) -> set[str]:
    return {re.match(r"[\w-]+", line)[0] for line in lines.split("\n") if line.strip()}


def imported(folder: Path) -> set[str]:
    """Top-level names of all modules that files of a folder import, Python's own left out."""
    found = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"kerasnlp_kit"}


def setup() -> configparser.ConfigParser:
    config = configparser.ConfigParser()
    config.read(CHECKOUT / "setup.cfg")
    return config


def required() -> set[str]:
    """Modules of the packages that an installation brings."""
    return {MODULES.get(name, name) for name in requirements(setup()["options"]["install_requires"])}


def test_the_package_requires_what_it_imports_and_nothing_else():
    found = imported(CHECKOUT / "kerasnlp_kit")
    assert found - OPTIONAL == required() - {LOADED}
    # They would import Keras, which commands that only ask a model do without.
    assert LOADED not in found and f'"{LOADED}"' in OPERATIONS.read_text(encoding="utf-8")


def test_the_benchmarks_need_no_more_than_the_package():
    own = {path.stem for path in (CHECKOUT / "benchmarks").glob("*.py")}
    peers = {"ctranslate2"}  # in an environment of its own
    assert imported(CHECKOUT / "benchmarks") - own - peers <= required()


def test_run_json_tells_versions_of_required_and_optional_packages_only():
    assert set(PACKAGES) <= requirements(setup()["options"]["install_requires"]) | OPTIONAL

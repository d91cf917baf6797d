"""What tests of the command line share."""

from pathlib import Path

import pytest


@pytest.fixture
def refused(command, here):
    """Runs a command that must fail as the user's mistake; returns the one line that says so."""

    def refused(*arguments) -> str:
        ran = command(*arguments)
        assert ran.code == 2, ran
        assert len(ran.err.splitlines()) == 1 and ran.err.startswith("error: "), ran.err
        assert "Traceback" not in ran.out + ran.err
        assert not any((here / "models").iterdir()), "something half-written was left"
        return ran.err.removeprefix("error: ").rstrip("\n")

    return refused


def write_rows(path: Path, rows: int = 60) -> Path:
    """Two classes that one word tells apart."""
    lines = [f"the room was {('clean', 'dirty')[row % 2]} {row},{('good', 'bad')[row % 2]}" for row in range(rows)]
    path.write_text("\n".join(["text,label", *lines, ""]), encoding="utf-8")
    return path


@pytest.fixture
def reviews(here) -> Path:
    """A file that a model can be trained on in a second."""
    return write_rows(here / "reviews.csv")

"""Runs commands, in this process or as a person would."""

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from kerasnlp_kit.cli.main import main

CHECKOUT = Path(__file__).resolve().parents[2]


class Ran(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """An empty folder to work in, with nothing but an empty models/."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    return tmp_path


@pytest.fixture(scope="session")
def run_in(prover_here):
    """Runs ``kerasnlp-kit ...`` within this process, in a folder: quick where TensorFlow is imported already."""

    def run_in(folder: Path, *arguments) -> Ran:
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as caught:
            patch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")  # else standard error would be piped through a filter
            patch.setattr("kerasnlp_kit.export.verify.Prover", prover_here)
            patch.chdir(folder)
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                main([os.fspath(argument) for argument in arguments])
        return Ran(caught.value.code or 0, out.getvalue(), err.getvalue())

    return run_in


@pytest.fixture
def command(here, run_in):
    """Likewise, in the folder of the test."""

    def command(*arguments) -> Ran:
        return run_in(here, *arguments)

    return command


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


@pytest.fixture
def shell(here):
    """Runs a program of the checkout in a process of its own, such as ``shell("train.py", ...)``."""

    def shell(script, *arguments, stdin=None, text=True, python=()) -> Ran:
        program = [CHECKOUT / script] if str(script).endswith(".py") else ["-m", script]
        done = subprocess.run(
            [sys.executable, *python, *map(os.fspath, [*program, *arguments])],
            input=stdin,
            capture_output=True,
            encoding="utf-8" if text else None,
            timeout=300,
            cwd=here,
            env={name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"},
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return shell


def write_rows(path: Path, rows: int = 60) -> Path:
    """Two classes that one word tells apart."""
    lines = [f"the room was {('clean', 'dirty')[row % 2]} {row},{('good', 'bad')[row % 2]}" for row in range(rows)]
    path.write_text("\n".join(["text,label", *lines, ""]), encoding="utf-8")
    return path


@pytest.fixture
def reviews(here) -> Path:
    """A file that a model can be trained on in a second."""
    return write_rows(here / "reviews.csv")

"""Where the output of a command goes: to a reader that leaves, a full device, a terminal that lacks characters."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROWS = "文本,标签\n" + "这家酒店很好，服务热情,好\n房间又小又脏，不会再来,差\n" * 10
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if name not in ("PYTHONUNBUFFERED", "PYTHONIOENCODING")
}
CHECKOUT = Path(__file__).resolve().parents[2]
PROGRAM = (sys.executable, "-m", "kerasnlp_kit")


@pytest.fixture
def doctor(here):
    """The command line of a short run of the doctor, which needs no TensorFlow."""
    (here / "reviews.csv").write_text(ROWS, encoding="utf-8")
    return [*PROGRAM, "doctor", "reviews.csv", "--no-model"]


def run(command, **options):
    return subprocess.run(command, stderr=subprocess.PIPE, timeout=120, **{"env": ENVIRONMENT, **options})


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_a_reader_that_leaves_is_no_error_to_be_told(doctor, arguments):
    reading, writing = os.pipe()
    os.close(reading)
    done = run([*doctor, *arguments], stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("arguments", [["doctor", "--help"], ["--help"], ["--version"]])
def test_a_full_device_is_told_in_one_line(here, arguments):
    with Path("/dev/full").open("w") as full:
        done = run([*PROGRAM, *arguments], stdout=full)
    assert done.returncode == 2
    assert done.stderr.decode() == "error: a file cannot be written: No space left on device.\n"


def test_a_terminal_that_lacks_characters_ends_nothing(doctor):
    done = run(doctor, stdout=subprocess.PIPE, env={**ENVIRONMENT, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0 and done.stderr == b""
    assert rb"\u597d" in done.stdout and done.stdout.isascii(), "the label 好, escaped"


@pytest.mark.parametrize("script", ["train.py", "evaluate.py"])
def test_a_python_without_the_packages_is_told_how_to_get_them(script, tmp_path):
    command = [sys.executable, "-S", str(CHECKOUT / script), "reviews.csv"]  # -S: without site-packages
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.startswith(f"error: tyro is not installed for {sys.executable}. In the checkout, `make install`")
    assert len(done.stderr.splitlines()) == 1

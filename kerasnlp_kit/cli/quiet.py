"""Keeps TensorFlow's start-up notices off the screen."""

import atexit
import os
import re
import sys
import threading

# The format of absl's C++ log lines, which no environment variable silences before TensorFlow has set its level; and
# what SentencePiece says of every model that leaves characters as they are.
_NOTICE = re.compile(
    rb"[IWE]\d{4} \d\d:\d\d:\d+\.\d+ +\d+ |WARNING: All log messages before absl::|"
    rb"To enable the following instructions: |normalizer\.cc\(\d+\) LOG\(INFO\) "
)


def silence_notices() -> None:
    """Passes standard error on without TensorFlow's notices, to the end of the process.

    Does nothing where the user chose a level with TF_CPP_MIN_LOG_LEVEL.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        return
    sys.stderr.flush()
    screen = os.dup(2)
    reading, writing = os.pipe()
    os.dup2(writing, 2)
    os.close(writing)
    thread = threading.Thread(target=_pass_on, args=(reading, screen), daemon=True)
    thread.start()

    def restore() -> None:
        sys.stderr.flush()
        os.dup2(screen, 2)  # closes the pipe's last writing end, which ends the thread
        thread.join(timeout=5)

    atexit.register(restore)


def _pass_on(reading: int, screen: int) -> None:
    waiting = b""
    while piece := os.read(reading, 65536):
        *lines, waiting = (waiting + piece).split(b"\n")
        for line in lines:
            if not _NOTICE.match(line):
                _write(screen, line + b"\n")
        if waiting and not _could_be_notice(waiting):
            _write(screen, waiting)  # a prompt or a progress bar does not wait for its line's end
            waiting = b""
    if waiting and not _NOTICE.match(waiting):
        _write(screen, waiting)


def _could_be_notice(start: bytes) -> bool:
    return start[:1] in (b"I", b"W", b"E", b"T", b"n") or bool(_NOTICE.match(start))


def _write(screen: int, data: bytes) -> None:
    while data:
        data = data[os.write(screen, data) :]

"""Keeps TensorFlow's start-up notices off the screen."""

import atexit
import contextlib
import os
import re
import signal
import sys
import time

# The format of absl's C++ log lines, which no environment variable silences before TensorFlow has set its level; and
# what SentencePiece says of every model that leaves characters as they are.
_NOTICE = re.compile(
    rb"[IWE]\d{4} \d\d:\d\d:\d+\.\d+ +\d+ |WARNING: All log messages before absl::|"
    rb"To enable the following instructions: |normalizer\.cc\(\d+\) LOG\(INFO\) "
)
_PATIENCE = 5  # seconds for the last lines to come out
_ENDING = (signal.SIGINT, signal.SIGTERM) + ((signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ())


def silence_notices() -> None:
    """Passes standard error on without TensorFlow's notices, to the end of the process.

    Another process does it: what is said last, before the system ends this one, must come out. Does nothing where the
    user chose a level with TF_CPP_MIN_LOG_LEVEL, where a standard stream is closed, and where there is no fork.
    """
    closed = None in (sys.stdin, sys.stdout, sys.stderr)
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ or closed or not hasattr(os, "fork"):
        return
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)  # until the other process is deaf to them
    child = os.fork()
    if not child:
        try:
            os.close(writing)
            _pass_on_alone(reading)
        finally:
            os._exit(0)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    os.close(reading)
    screen = os.dup(2)
    os.dup2(writing, 2)
    os.close(writing)

    def restore() -> None:
        with contextlib.suppress(ValueError):  # closed, as nobody reads our output
            sys.stderr.flush()
        os.dup2(screen, 2)  # closes the pipe's last writing end, which ends the other process
        end = time.monotonic() + _PATIENCE
        with contextlib.suppress(ChildProcessError):  # where whoever started us has the system clear away children
            while os.waitpid(child, os.WNOHANG) == (0, 0) and time.monotonic() < end:
                time.sleep(0.005)

    atexit.register(restore)


def _pass_on_alone(reading: int) -> None:
    """The whole life of the other process: it ends when nobody can write any more, and not by a signal before."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)  # else a pipe that this process was given would stay open with it
    os.dup2(nothing, 1)
    _pass_on(reading, 2)


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

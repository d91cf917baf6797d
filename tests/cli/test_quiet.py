"""Standard error of a command: TensorFlow's notices are left out, and nothing else."""

import os
import subprocess
import sys

import pytest

NOTICE = "I0000 00:00:1795719452.868496    9376 cudart_stub.cc:31] Could not find cuda drivers"
BEGIN = "import os, signal, sys, time\nfrom kerasnlp_kit.cli.quiet import silence_notices\nsilence_notices()\n"


CLEAN = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}


def run(program, **variables):
    command = [sys.executable, "-c", BEGIN + program]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, start_new_session=True, env={**CLEAN, **variables}
    )


def test_notices_are_left_out_and_all_else_comes_in_order():
    done = run(f"os.write(2, b'one\\n{NOTICE}\\ntwo\\n'); print('three', file=sys.stderr); print('out')")
    assert (done.stdout, done.stderr) == ("out\n", "one\ntwo\nthree\n")
    assert NOTICE in run(f"os.write(2, b'{NOTICE}\\n')", TF_CPP_MIN_LOG_LEVEL="0").stderr


def test_what_is_said_last_before_the_system_ends_the_process_is_heard():
    for number in range(5):
        done = run(f"os.write(2, b'out of memory {number}\\n'); os.abort()")
        assert done.returncode < 0 and done.stderr == f"out of memory {number}\n"


def test_ctrl_c_reaches_the_process_and_does_not_silence_it():
    hears = "signal.signal(signal.SIGINT, lambda *_: print('stopping', file=sys.stderr, flush=True))\n"
    # As a terminal does it: to all processes of the group.
    done = run(hears + "os.killpg(os.getpgrp(), signal.SIGINT); time.sleep(0.2); print('end', file=sys.stderr)")
    assert (done.returncode, done.stderr) == (0, "stopping\nend\n")


@pytest.mark.parametrize("closed", [0, 1])
def test_a_standard_stream_that_is_closed_is_no_reason_to_fail(closed):
    begin = ["sh", "-c", f'exec "$@" {closed}>&-', "sh", sys.executable, "-c"]
    done = subprocess.run(
        [*begin, BEGIN + "print('told', file=sys.stderr)"], stderr=subprocess.PIPE, text=True, env=CLEAN
    )
    assert (done.returncode, done.stderr) == (0, "told\n")


def test_children_that_the_system_clears_away_are_not_missed():
    ignoring = (
        "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.executable, sys.argv[1:])"
    )
    command = [sys.executable, "-c", ignoring, sys.executable, "-c", BEGIN + "print('told', file=sys.stderr)"]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, env=CLEAN)
    assert (done.returncode, done.stderr) == (0, "told\n")

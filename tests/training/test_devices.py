import functools
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from kerasnlp_kit import registry
from kerasnlp_kit.errors import UserError
from kerasnlp_kit.export.folder import ModelFolder
from kerasnlp_kit.training import devices

PROGRAM = Path(__file__).with_name("train_tiny.py")
NAMES = [spec.name for spec in registry.networks("classification")]


@functools.cache
def histories(backend, count=1, names=tuple(NAMES)):
    """Histories of networks, and "several": of one for several labels a row, by name, of a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, PROGRAM, backend, str(count), folder, *names]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def assert_close(found, expected, tolerance):
    assert found.keys() == expected.keys()
    for name in expected:
        assert found[name] == pytest.approx(expected[name], abs=tolerance), name


KEEPS = """
import sys
from pathlib import Path
from kerasnlp_kit.training.devices import keep_memory

def pages():
    return int(Path("/proc/self/statm").read_text().split()[1])

keep_memory()
before = pages()
large = b"x" * 200_000_000
held = pages() - before
del large
print((pages() - before) / held)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator is not glibc's")
@pytest.mark.parametrize(
    ("variables", "kept"),
    [({}, True), ({"MALLOC_TOP_PAD_": "131072"}, False), ({"GLIBC_TUNABLES": "glibc.malloc.top_pad=131072"}, False)],
    ids=["kept", "variable of the user", "tunable of the user"],
)
def test_memory_that_is_freed_is_kept_unless_the_user_set_the_allocator(variables, kept):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    done = subprocess.run([sys.executable, "-c", KEEPS], capture_output=True, text=True, env={**clean, **variables})
    assert done.returncode == 0, done.stderr
    share = float(done.stdout)
    assert share > 0.9 if kept else share < 0.1


def test_two_devices_train_as_one_and_jax_trains_as_tensorflow_does():
    # One test, so that workers do not run the same program twice.
    some = ("cnn_classifier",)
    for name in [*NAMES, "several"]:
        assert_close(histories("jax")[name], histories("tensorflow")[name], 1e-5)
    for name in (*some, "several"):  # how a batch is shared does not depend on the network
        for backend in ("tensorflow", "jax"):
            assert_close(histories(backend, 2, some)[name], histories("tensorflow")[name], 1e-5)
    assert histories("jax")["resumed"] == histories("jax")["cnn_classifier"]
    assert histories("jax")["ngrams"] == histories("tensorflow")["ngrams"]


def test_a_whole_run_on_two_devices_is_scored_as_it_was_in_training(trained, tickets, tmp_path):
    program = Path(__file__).resolve().parents[2] / "train.py"
    options = ["--config", trained / "run.json", "--devices", "2", "--models", tmp_path, "--name", "two"]
    done = subprocess.run([sys.executable, program, tickets, *options], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    (part,) = ModelFolder(tmp_path / "two").run()["parts"]
    (dev,) = json.loads((tmp_path / "two" / "metrics.json").read_text()).values()
    # 36 rows, of which none sits out; the answers are those of a network on one device.
    assert (dev["n"], dev["accuracy"]) == (
        36,
        pytest.approx(max(part["training"]["history"]["val_accuracy"]), abs=1e-6),
    )


@pytest.mark.skipif(not importlib.util.find_spec("torch"), reason="PyTorch is not installed")
def test_pytorch_trains_as_tensorflow_does():
    for name in [*NAMES, "several"]:
        assert_close(histories("torch")[name], histories("tensorflow")[name], 1e-5)
    assert histories("torch")["resumed"] == histories("torch")["cnn_classifier"]
    assert histories("torch")["ngrams"] == histories("tensorflow")["ngrams"]


def test_a_backend_that_differs_from_the_one_in_use_needs_a_new_process():
    import keras  # noqa: F401  # Keras runs on TensorFlow here

    with pytest.raises(UserError, match="start a new one to train on jax"):
        devices.choose_backend("jax")


def test_more_devices_than_there_are_is_the_users_error():
    with pytest.raises(UserError, match=r"--devices 99 was asked for, and there are \d+\."):
        devices.distribution(99)

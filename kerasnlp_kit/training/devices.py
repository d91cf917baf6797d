"""Which backend and which devices compute; importing this module does not import Keras."""

import contextlib
import ctypes
import functools
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

from kerasnlp_kit.errors import UserError

_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8  # of glibc's malloc.h


def quiet_start() -> None:
    """Keeps TensorFlow's start-up messages off the screen, unless the user set a level."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("ABSL_MIN_LOG_LEVEL", "2")


def keep_memory() -> None:
    """Has this process keep the memory that it frees, for what it needs next.

    A training step takes and frees hundreds of megabytes. glibc gives each large piece back to the system and asks for
    it again, and every page that comes anew costs a fault: up to half the time of a step. Nothing is changed where
    there is another allocator, or where the user has set glibc's own variables.
    """
    if any(name.startswith("MALLOC_") for name in os.environ) or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, -1)
        # A thread's own arena has no room for more than 64 MB in one piece, such as the logits of 8,000 tokens.
        mallopt(_M_ARENA_MAX, 1)


def choose_backend(backend: str, devices: int | None = None) -> None:
    """Makes Keras use this backend, in a process that keeps its memory; before Keras is imported for the first time.

    Args:
        backend: tensorflow, jax or torch.
        devices: number of devices to train on; where there is no GPU, as many virtual CPU devices are made, which
            must happen before the first computation.

    Raises:
        UserError: the backend is not installed, or Keras already runs on another one.
    """
    quiet_start()
    keep_memory()
    if "keras" in sys.modules:
        current = sys.modules["keras"].backend.backend()
        if current != backend:
            raise UserError(f"Keras runs on {current} in this process; start a new one to train on {backend}.")
        return
    require_package(backend, f"--backend {backend}")
    os.environ["KERAS_BACKEND"] = backend
    if backend == "jax" and devices and devices > 1:
        flag = f"--xla_force_host_platform_device_count={devices}"
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flag}".strip()
    if backend == "torch":
        import torch._dynamo  # noqa: F401  # loads Triton, which crashes where TensorFlow's LLVM is loaded already
    if backend != "tensorflow":
        import tensorflow as tf

        tf.config.set_visible_devices([], "GPU")  # TensorFlow only tokenizes and feeds here
    elif devices and devices > 1:
        _make_virtual_cpus(devices)


def require_package(name: str, flag: str) -> None:
    """Makes sure that the package of an extra is there, before anything is computed.

    Args:
        name: of the package.
        flag: what asks for it.

    Raises:
        UserError: it is not installed.
    """
    if importlib.util.find_spec(name) is None:
        raise UserError(f"{flag} needs the package {name}: pip install {name}")


def seed_everything(seed: int, *, jit: bool = False) -> None:
    """Seeds Python, NumPy and the backend, and makes TensorFlow's operations deterministic.

    Args:
        seed: 0 or more.
        jit: whether the training step will be compiled by XLA. Then TensorFlow's operations stay as they are: Keras
            refuses to compile deterministic ones, as XLA lacks some of them.
    """
    import keras

    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        from tensorflow.python.framework import config  # what enables alone is public

        if jit:
            config.disable_op_determinism()
        else:
            config.enable_op_determinism()


def distribution(devices: int | None) -> tuple[AbstractContextManager[Any], int]:
    """How each batch is shared out.

    MirroredStrategy on TensorFlow, ``keras.distribution.DataParallel`` on JAX.

    Args:
        devices: number of GPUs, or of virtual CPU devices where there is no GPU; None for all GPUs.

    Returns:
        The context in which the model must be built and trained, and the number of devices.

    Raises:
        UserError: more devices than there are, or several on PyTorch.
    """
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        return _mirrored(devices)
    if backend == "jax":
        found = keras.distribution.list_devices()
        count = _count(devices, len(found), default=len(found))
        if count == 1:
            return contextlib.nullcontext(), 1
        return keras.distribution.DataParallel(devices=found[:count]).scope(), count
    if devices not in (None, 1):
        raise UserError(f"On PyTorch one device trains; --devices {devices} needs --backend tensorflow or jax.")
    return contextlib.nullcontext(), 1


def _mirrored(devices: int | None) -> tuple[AbstractContextManager[Any], int]:
    import tensorflow as tf

    gpus = tf.config.list_logical_devices("GPU")
    names = [device.name for device in gpus or tf.config.list_logical_devices("CPU")]
    count = _count(devices, len(names), default=len(gpus) or 1)
    if count < 2:
        return contextlib.nullcontext(), 1
    return _strategy(tuple(names[:count])).scope(), count


@functools.cache
def _strategy(names: tuple[str, ...]) -> Any:
    """One for the whole process: the reductions of a second one would take the names of the first one's."""
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(names)


def _make_virtual_cpus(devices: int) -> None:
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        return
    cpu = tf.config.list_physical_devices("CPU")[0]
    try:
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * devices)
    except RuntimeError as error:
        raise UserError(f"--devices {devices} must be set before TensorFlow computes: start a new process.") from error


def _count(wanted: int | None, found: int, default: int) -> int:
    if wanted is not None and wanted > found:
        raise UserError(f"--devices {wanted} was asked for, and there are {found}.")
    return wanted or default


def describe_device(count: int) -> str:
    """Name of what computes, for the plan and the report; ``count``: how many devices share each batch."""
    accelerators = _accelerators()[:count]
    return ", ".join(accelerators) if accelerators else f"{os.cpu_count()} CPU cores"


@contextlib.contextmanager
def precision(mixed: bool) -> Iterator[None]:
    """Within it, layers compute in 16 bits if ``mixed``: float16 on a GPU, bfloat16 on several and elsewhere."""
    import keras

    before = keras.config.dtype_policy()
    if mixed:
        on_gpu = any(device.startswith(("gpu", "cuda")) for device in _accelerators())
        # On several devices Keras looks for an overflow of float16 on the first one only.
        keras.config.set_dtype_policy("mixed_float16" if on_gpu and _replicas() == 1 else "mixed_bfloat16")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def exact() -> AbstractContextManager[Any]:
    """Within it, predictions are made in full float32, as the process that proves the export makes them on its CPU.

    GPUs round matrix products to 19 bits (TF32) and TPUs to 16 where nobody objects.
    """
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.device("CPU:0")
    if backend == "jax":
        import jax

        return jax.default_matmul_precision("highest")
    import torch

    exactly = contextlib.ExitStack()
    # PyTorch's products are exact unless somebody asked otherwise; those of cuDNN, for convolutions, are not.
    exactly.enter_context(torch.backends.cudnn.flags(enabled=True, allow_tf32=False))
    exactly.callback(torch.set_float32_matmul_precision, torch.get_float32_matmul_precision())
    torch.set_float32_matmul_precision("highest")
    return exactly


def _replicas() -> int:
    """Devices that share each batch within this scope, on TensorFlow."""
    import keras

    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return int(tf.distribute.get_strategy().num_replicas_in_sync)


def _accelerators() -> list[str]:
    """Names of the GPUs and TPUs, such as ``gpu:0``."""
    import keras

    if keras.backend.backend() == "torch":
        import torch

        return [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    return [name for name in keras.distribution.list_devices() if not name.startswith("cpu")]

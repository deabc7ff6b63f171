"""What a run computes on: devices, precision, compiled programs.

Each backend says in its own words what it runs on; here is where they are
asked.
"""

import contextlib
import os
from pathlib import Path

import keras

from ecg_keras.errors import InputError
from ecg_keras.models.regressor import HEAD_LAYOUT
from ecg_keras.training.config import AUTO

# First NVIDIA compute capability whose matrix units have the format.
FLOAT16_FROM = (7, 0)  # V100, T4
BFLOAT16_FROM = (8, 0)  # A100, L4, H100

PROGRAMS_DIR = "xla_cache"


def choose_precision(precision):
    """A dtype policy's name: for "auto" the fastest that the device has.

    Args:
        precision: one of `config.PRECISIONS`.
    """
    return precision if precision != AUTO else precision_of(*accelerator())


def precision_of(platform, capability=None):
    """The dtype policy for a device.

    Args:
        platform: "cpu", "gpu" or "tpu".
        capability: of an NVIDIA GPU, such as (7, 5); None if unknown.
    """
    if platform == "tpu":
        return "mixed_bfloat16"
    if platform == "gpu" and capability is not None:
        if capability >= BFLOAT16_FROM:
            return "mixed_bfloat16"
        if capability >= FLOAT16_FROM:
            return "mixed_float16"
    return "float32"


def accelerator():
    """(platform, compute capability or None) of the backend's first device."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        device = jax.devices()[0]
        return device.platform, _capability(
            getattr(device, "compute_capability", None)
        )
    if backend == "torch":
        import torch

        if torch.cuda.is_available():
            return "gpu", torch.cuda.get_device_capability()
        return "cpu", None
    import tensorflow as tf

    if tf.config.list_logical_devices("TPU"):
        return "tpu", None
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        return "gpu", details.get("compute_capability")
    return "cpu", None


def has_slow_convolutions():
    """Whether convolutions are better taken apart: JAX on a CPU.

    See `models.jax_cpu`.
    """
    return keras.backend.backend() == "jax" and accelerator()[0] == "cpu"


def _capability(text):
    """JAX's "7.5" as (7, 5)."""
    return text and tuple(int(part) for part in str(text).split("."))


def keep_compiled_programs(run_dir):
    """Let JAX keep what it compiles, beside the run's folder.

    The next run of the same model starts without compiling. Where
    JAX_COMPILATION_CACHE_DIR is set, that folder is used instead. Small
    programs are kept, too, unless JAX's variables say otherwise. Other backends
    compile little.

    Returns:
        The folder, or None.
    """
    if keras.backend.backend() != "jax":
        return None
    import jax

    if jax.config.jax_compilation_cache_dir is None:
        parent = Path(run_dir).parent
        with contextlib.suppress(OSError):
            parent.mkdir(parents=True, exist_ok=True)
        if not os.access(parent, os.W_OK):
            parent = Path(run_dir)
        jax.config.update(
            "jax_compilation_cache_dir", str(parent / PROGRAMS_DIR)
        )
    # Initialisers are many small programs, and each takes a while.
    for name, least in (
        ("jax_persistent_cache_min_compile_time_secs", 0),
        ("jax_persistent_cache_min_entry_size_bytes", -1),
    ):
        if name.upper() not in os.environ:
            jax.config.update(name, least)
    return jax.config.jax_compilation_cache_dir


def use_all_devices(batch_size, model_parallel=1, head_units=()):
    """Share the work among all accelerators, where the backend can.

    Batches are shared out; with `model_parallel`, so is the regressor's head,
    which is nearly all of its memory. `keras.distribution` is implemented on
    JAX; the other backends use one device.

    Args:
        batch_size: images in a batch, over all devices.
        model_parallel: devices over which each layer of the head is split.
        head_units: widths of those layers.

    Returns:
        A line that says which devices are used, and how.

    Raises:
        InputError: the batch, the devices or the head cannot be shared out
            evenly.
    """
    devices = _devices()
    names = ", ".join(map(str, devices)) or "cpu"
    if len(devices) % model_parallel or (
        model_parallel > 1 and keras.backend.backend() != "jax"
    ):
        raise InputError(
            f"--model-parallel {model_parallel} needs JAX and a multiple of "
            f"{model_parallel} devices. Received: {keras.backend.backend()}, "
            f"{names}"
        )
    if len(devices) < 2:
        return names
    if keras.backend.backend() != "jax":
        return f"{devices[0]} (of {names}: only JAX uses several)"
    groups = len(devices) // model_parallel
    if batch_size % groups:
        raise InputError(
            f"--batch-size {batch_size} cannot be shared out evenly among "
            f"{groups} devices ({names}). Expected a multiple of {groups}"
        )
    for units in head_units:
        if units % model_parallel:
            raise InputError(
                f"a layer of {units} units cannot be split evenly by "
                f"--model-parallel {model_parallel}"
            )
    share = f"{names}, {batch_size // groups} images each"
    if model_parallel == 1:
        distribution = keras.distribution.DataParallel(devices=devices)
    else:
        mesh = keras.distribution.DeviceMesh(
            (groups, model_parallel), ("batch", "model"), devices
        )
        layout = keras.distribution.LayoutMap(mesh)
        for pattern, axes in HEAD_LAYOUT.items():
            layout[pattern] = axes
        distribution = keras.distribution.ModelParallel(
            layout_map=layout, batch_dim_name="batch"
        )
        share += f", the head over {model_parallel}"
    keras.distribution.set_distribution(distribution)
    return share


def _devices():
    if keras.backend.backend() == "torch":
        # Keras 3 has no list of devices for torch.
        import torch

        return [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    return keras.distribution.list_devices()

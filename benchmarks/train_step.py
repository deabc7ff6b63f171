"""How fast a training step is, beside the same network in plain PyTorch.

    python benchmarks/train_step.py [--torch-python VENV/bin/python]

The full regressor at 512 x 512 and batch 8 on a GPU, a small one on a CPU. Each
contender runs in a process of its own, one after the other, with random images:
`fit` on each backend that is installed, and `benchmarks/torch_original.py`
with the Python that has torch and timm. The largest batch is found by doubling
until memory is full.
"""

import dataclasses
import importlib.util
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from ecg_keras.settings import parse_flags, run_command, setting

BACKENDS = ("jax", "torch", "tensorflow")
ORIGINAL = Path(__file__).with_name("torch_original.py")
WORKER = "--worker"
ON_GPU = {
    "image_size": (512, 512), "batch_size": 8, "head_units": (2048, 4096),
    "steps": 30,
}  # fmt: skip
ON_CPU = {
    "image_size": (128, 128), "batch_size": 4, "head_units": (256, 256),
    "steps": 5,
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class StepConfig:
    """Settings of benchmarks/train_step.py."""

    encoder: str = setting("efficientnet_b2", "image encoder")
    precision: tuple[str, ...] = setting(
        ("float32", "mixed_bfloat16"), "dtype policies", metavar="P"
    )
    backends: tuple[str, ...] = setting(
        BACKENDS, "backends of Keras", choices=BACKENDS
    )
    torch_python: str = setting(
        sys.executable, "Python that has torch and timm"
    )
    image_size: tuple[int, int] | None = setting(None, "size of the images")
    batch_size: int | None = setting(None, "images in a batch")
    head_units: tuple[int, ...] | None = setting(None, "widths of the head")
    steps: int | None = setting(None, "steps of each of three timings")
    largest: bool = setting(False, "also find the largest batch that fits")


def main():
    config = parse_flags(StepConfig, __doc__)
    device = _device()
    settings = dict(ON_CPU if device == "cpu" else ON_GPU)
    for name in settings:
        settings[name] = getattr(config, name) or settings[name]
    settings["encoder"] = config.encoder
    print(f"{device}, {os.cpu_count()} cores, {settings}")
    print(
        f"{'':24}{'precision':>16}{'images/s':>10}{'x original':>12}"
        f"{'first step, s':>15}{'peak, GiB':>11}"
    )
    for precision in config.precision:
        # The original first: what the others are compared with.
        original = None
        for name in ("original", *config.backends):
            case = {**settings, "precision": precision}
            found = _run(name, case, config.torch_python)
            if isinstance(found, str):
                print(f"{name:24}{precision:>16}  {found}", flush=True)
                continue
            if name == "original":
                original = found
            _print(found, case, precision, original)
            if config.largest:
                _print_largest(name, case, config.torch_python)


def _print(found, case, precision, original):
    rate = case["batch_size"] / found["step_s"]
    ratio = "-"
    if original:
        ratio = f"{original['step_s'] / found['step_s']:.2f}"
    print(
        f"{found['version'][:24]:24}{precision:>16}{rate:10.2f}{ratio:>12}"
        f"{found['first_s']:15.1f}{found['peak_bytes'] / 2**30:11.2f}",
        flush=True,
    )


def _print_largest(name, case, torch_python):
    """Double the batch until memory is full."""
    best, case = None, {**case, "steps": 3}
    while True:
        case["batch_size"] *= 2
        found = _run(name, case, torch_python)
        if isinstance(found, str):
            break
        best = case["batch_size"], case["batch_size"] / found["step_s"]
    if best:
        print(f"{'':24}  batch {best[0]}: {best[1]:.2f} images/s", flush=True)


def _device():
    """ "gpu" or "cpu", without taking the GPU in this process."""
    try:
        found = subprocess.run(["nvidia-smi", "-L"], capture_output=True)
    except FileNotFoundError:
        return "cpu"
    return "gpu" if found.stdout.strip() else "cpu"


def _run(name, case, torch_python):
    """What a contender's process measured, or why it did not."""
    if name == "original":
        command = [torch_python, ORIGINAL, json.dumps(case)]
    else:
        if importlib.util.find_spec(name) is None:
            return "not installed"
        command = [sys.executable, __file__, WORKER, json.dumps(case)]
    done = subprocess.run(
        command,
        env={**os.environ, "KERAS_BACKEND": name},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [str(done.returncode)]
        return f"failed: {lines[-1][:70]}"
    return json.loads(done.stdout.strip().splitlines()[-1])


def work(case):
    """Time `fit` on this process's backend; prints a line of JSON."""
    import keras

    from ecg_keras.training.callbacks import StopOnNaN
    from ecg_keras.training.config import TrainConfig
    from ecg_keras.training.regressor_task import RegressorTask

    keras.config.set_dtype_policy(case["precision"])
    keras.utils.set_random_seed(0)
    config = TrainConfig(
        encoder=case["encoder"],
        weights="none",
        image_size=tuple(case["image_size"]),
        head_units=tuple(case["head_units"]),
        learning_rate=1e-4,
    )
    task = RegressorTask(config)
    model = task.build()
    task.compile(model, frozen=False)
    rng = np.random.default_rng(0)
    shape = (case["batch_size"], *config.image_size, 3)
    image = rng.integers(0, 256, shape, np.uint8)
    target = rng.standard_normal((shape[0], 12, 5000), np.float32)

    def batches():
        while True:
            yield image, target

    def steps(n):
        start = time.perf_counter()
        model.fit(
            batches(), steps_per_epoch=n, verbose=0, callbacks=[StopOnNaN()]
        )
        return (time.perf_counter() - start) / n

    first_s = steps(1)
    steps(2)
    step_s = sorted(steps(case["steps"]) for _ in range(3))[1]
    print(json.dumps({
        "first_s": first_s, "step_s": step_s, "peak_bytes": _peak_bytes(),
        "version": f"fit, {keras.backend.backend()}",
    }))  # fmt: skip


def _peak_bytes():
    """Most memory that was used: the GPU's, or this process's."""
    import keras

    from ecg_keras.training.devices import accelerator

    if accelerator()[0] == "cpu":
        return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return jax.devices()[0].memory_stats()["peak_bytes_in_use"]
    if backend == "torch":
        import torch

        return torch.cuda.max_memory_allocated()
    import tensorflow as tf

    return tf.config.experimental.get_memory_info("GPU:0")["peak"]


if __name__ == "__main__":
    if WORKER in sys.argv:
        work(json.loads(sys.argv[-1]))
    else:
        sys.exit(run_command(main))

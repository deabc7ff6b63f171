"""How long `train.py` takes from its start to the end of its first step.

    python benchmarks/first_step.py

With nothing cached, and again with what the run before left: decoded pages, and
on JAX the compiled programs. Each run is a process of its own, ended after the
step.
"""

import dataclasses
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ecg_keras.drawing.folder import RenderConfig, render_dataset
from ecg_keras.errors import InputError
from ecg_keras.settings import parse_flags, run_command, setting

BACKENDS = ("jax", "tensorflow", "torch")
TRAIN = Path(__file__).parents[1] / "train.py"
FIRST_STEP = re.compile(rb"Epoch 1/\d+\s.*?1/\d+", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class FirstStepConfig:
    """Settings of benchmarks/first_step.py; by default for a CPU."""

    backends: tuple[str, ...] = setting(
        BACKENDS, "backends of Keras", choices=BACKENDS
    )
    encoder: str = setting("efficientnet_b2", "image encoder")
    image_size: tuple[int, int] = setting((128, 160), "size of the images")
    batch_size: int = setting(4, "images in a batch")
    head_units: tuple[int, ...] = setting((256, 256), "widths of the head")
    records: int = setting(20, "records to render and train on")


def main():
    config = parse_flags(FirstStepConfig, __doc__)
    with tempfile.TemporaryDirectory() as folder:
        data_dir = f"{folder}/data"
        render_dataset(RenderConfig(data_dir, records=config.records))
        print(f"{os.cpu_count()} cores, {config}")
        print(f"{'':12}{'cold, s':>10}{'warm, s':>10}{'cold / warm':>13}")
        for backend in config.backends:
            if importlib.util.find_spec(backend) is None:
                continue
            command = [
                sys.executable, "-u", TRAIN, "--weights", "none",
                "--data-dir", data_dir, "--epochs", "2",
                "--cache-dir", f"{folder}/{backend}/cache",
                "--encoder", config.encoder,
                "--batch-size", str(config.batch_size),
                "--image-size", *map(str, config.image_size),
                "--head-units", *map(str, config.head_units),
            ]  # fmt: skip
            cold_s, warm_s = (
                _timed([*command, "--output-dir", f"{folder}/{backend}/{run}"],
                       backend)
                for run in ("cold", "warm")
            )  # fmt: skip
            print(
                f"{backend:12}{cold_s:10.1f}{warm_s:10.1f}"
                f"{cold_s / warm_s:13.2f}",
                flush=True,
            )


def _timed(command, backend):
    """Seconds until a run says that its first step is done; ends it."""
    environment = {**os.environ, "KERAS_BACKEND": backend}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    start = time.perf_counter()
    run = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    said = b""
    try:
        while not FIRST_STEP.search(said):
            more = run.stdout.read1()
            if not more:
                raise InputError(f"{backend}: the run ended: {said[-200:]}")
            said += more
        return time.perf_counter() - start
    finally:
        run.kill()
        run.wait()


if __name__ == "__main__":
    sys.exit(run_command(main))

"""How fast and how close each exported format is, side by side.

    python benchmarks/inference.py --export DIR [--batches 1 16]

Times one image and a batch of 16 on the CPU: `predict` on the three backends,
the SavedModel and ONNX Runtime; each in a process of its own, so that none
disturbs another. Differences are from `predict` on JAX, over the largest batch.
"""

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from ecg_keras.errors import InputError
from ecg_keras.settings import parse_flags, run_command, setting

BACKENDS = ("jax", "torch", "tensorflow")

# Every snippet defines answer(pixels) for float32 (n, H, W, 3), 0..255.
_KERAS = """
from ecg_keras.predictor import load
model = load(path).model
def answer(pixels):
    found = model.predict_on_batch(pixels)
    return found["signals"] if isinstance(found, dict) else found
"""
_SAVED_MODEL = """
import tensorflow as tf
module = tf.saved_model.load(path)
serve = module.signatures["serving_default"]
def answer(pixels):
    return serve(image=tf.constant(pixels.astype(np.uint8)))["signals"].numpy()
"""
_ONNX = """
import onnxruntime
session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
def answer(pixels):
    return session.run(["signals"], {"image": pixels})[0]
"""
_TIMING = """
import json, sys, time
import numpy as np
path, sent, answered = sys.argv[1:]
pixels = np.load(sent)
{snippet}
np.save(answered, answer(pixels))
seconds = []
for size in {sizes}:
    answer(pixels[:size])
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        answer(pixels[:size])
        best = min(best, time.perf_counter() - start)
    seconds.append(best)
print(json.dumps(seconds))
"""


@dataclasses.dataclass(frozen=True)
class BenchmarkConfig:
    """Settings of the benchmark."""

    export: str | None = setting(None, "folder that export.py wrote")
    batches: tuple[int, ...] = setting((1, 16), "images at once", metavar="N")


def main():
    config = parse_flags(BenchmarkConfig, __doc__)
    if not config.export:
        raise InputError("--export is missing: a folder that export.py wrote")
    folder = Path(config.export)
    from ecg_keras.exporting.export import agreement_db, parity_pages
    from ecg_keras.page.images import resize
    from ecg_keras.predictor import load

    size = load(folder).image_size
    pages = [resize(page, *size) for page in parity_pages()]
    pixels = np.stack(
        [pages[i % len(pages)] for i in range(max(config.batches))]
    )
    runs = [
        (f"predict, {backend}", _KERAS, folder / "model.keras", backend)
        for backend in BACKENDS
    ]
    runs.append(("SavedModel", _SAVED_MODEL, folder / "saved_model", "jax"))
    if (folder / "model.onnx").exists():
        runs.append(("ONNX Runtime", _ONNX, folder / "model.onnx", "jax"))
    reference = None
    print(f"{os.cpu_count()} cores, images {size[0]} x {size[1]}")
    heads = "  ".join(f"{f'{n} images, s':>12}" for n in config.batches)
    print(f"{'':20}  {heads}  x predict, jax  agreement, dB  max diff, mV")
    first = None
    for name, snippet, path, backend in runs:
        found = _timed(snippet, path, pixels, backend, config.batches)
        if isinstance(found, str):
            print(f"{name:20}  failed: {found}", flush=True)
            continue
        seconds, answers = found
        reference = answers if reference is None else reference
        first = first or seconds
        times = "  ".join(f"{s:12.3f}" for s in seconds)
        ratios = "/".join(
            f"{a / b:.2f}" for a, b in zip(first, seconds, strict=True)
        )
        print(
            f"{name:20}  {times}  {ratios:>14}  "
            f"{agreement_db(reference, answers):13.0f}  "
            f"{np.abs(reference - answers).max():12.1e}",
            flush=True,
        )


def _timed(snippet, path, pixels, backend, sizes):
    """(seconds for each size, answers to all pixels), or why there are none."""
    with tempfile.TemporaryDirectory() as folder:
        sent, answered = Path(folder) / "in.npy", Path(folder) / "out.npy"
        np.save(sent, pixels.astype(np.float32))
        code = _TIMING.format(snippet=snippet, sizes=sizes)
        done = subprocess.run(
            [sys.executable, "-c", code, path, sent, answered],
            env={**os.environ, "KERAS_BACKEND": backend},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            if done.returncode < 0:  # Memory, mostly.
                return f"killed by signal {-done.returncode}"
            return done.stderr.strip().splitlines()[-1]
        return json.loads(done.stdout.splitlines()[-1]), np.load(answered)


if __name__ == "__main__":
    sys.exit(run_command(main))

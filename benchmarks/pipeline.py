"""How fast pages are read, and how long a training step waits for them.

    python benchmarks/pipeline.py [--data-dir DIR] [--image-size H W]

Prints images a second, side by side: what decoding the PNG files alone takes;
the straightforward way, to read and resize each file in each epoch; filling the
cache; the cache. Then the share of the time of real training steps that is
spent waiting for data.
"""

import concurrent.futures
import dataclasses
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import numpy as np

from ecg_keras.settings import parse_flags, run_command, setting

FILLING = "from PNG, filling the cache"


@dataclasses.dataclass(frozen=True)
class BenchmarkConfig:
    """Settings of the benchmark."""

    data_dir: str | None = setting(
        None, "folder in the competition's layout (default: rendered)"
    )
    image_size: tuple[int, int] = setting((512, 512), "size of the images")
    images: int = setting(48, "images to read")
    batch_size: int = setting(8, "images in a batch")
    encoder: str = setting("efficientnet_b0", "encoder of the training step")
    step_size: tuple[int, int] = setting(
        (128, 160), "image size of the training step, which is slow on a CPU"
    )
    steps: int = setting(8, "training steps to time")


def main():
    config = parse_flags(BenchmarkConfig, __doc__)
    from ecg_keras.data.page_batches import (
        load_pages,
        ordered_batches,
        training_batches,
    )
    from ecg_keras.data.page_cache import fill_cache
    from ecg_keras.drawing.folder import RenderConfig, render_dataset
    from ecg_keras.ecg.records import read_records

    with tempfile.TemporaryDirectory() as folder:
        data_dir = config.data_dir
        if data_dir is None:
            data_dir = str(Path(folder) / "data")
            render_dataset(RenderConfig(data_dir, records=config.images))
        records = read_records(data_dir)[: config.images]
        rates = {}

        def read(name, batches, n_images):
            start = time.perf_counter()
            n_read = 0
            for images, _ in batches:
                n_read += len(images)
                if n_read >= n_images:
                    break
            rates[name] = n_read / (time.perf_counter() - start)

        files = [r.image_paths["0001"].read_bytes() for r in records]
        names = {
            "decoding PNG alone": _decoded,
            "cv2: decode, resize": lambda data: _straightforward(
                data, config.image_size
            ),
        }
        for name, work in names.items():
            start = time.perf_counter()
            with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
                list(pool.map(work, files))
            rates[name] = len(files) / (time.perf_counter() - start)
        cache_dir = Path(folder) / "cache"
        sources = [(i, r.image_paths["0001"]) for i, r in enumerate(records)]
        start = time.perf_counter()
        fill_cache(sources, config.image_size, cache_dir, print)
        rates[FILLING] = len(files) / (time.perf_counter() - start)
        pages = load_pages(records, config.image_size, cache_dir)
        batch = config.batch_size
        read("warming up", ordered_batches(pages, batch), len(pages))
        many = 20 * len(pages)
        for name, augment in (("cache", False), ("cache, augmented", True)):
            stream = training_batches(pages, batch, 0, augment=augment)
            read(name, stream, many if not augment else many // 4)
        del rates["warming up"]
        base = rates["cv2: decode, resize"]
        print(f"\n{os.cpu_count()} cores, {config.image_size}:")
        for name, rate in rates.items():
            print(f"  {name:28} {rate:8.1f} images/s  x{rate / base:.1f}")

        pages = load_pages(records, config.step_size, cache_dir)
        _print_waiting(config, training_batches(pages, batch, 0))


def _decoded(data):
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def _straightforward(data, size):
    """What guides do in each epoch: decode, change to RGB, resize."""
    image = cv2.cvtColor(_decoded(data), cv2.COLOR_BGR2RGB)
    return cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)


def _print_waiting(config, batches):
    """Time `next` and the step of a real training loop apart."""
    import keras

    from ecg_keras.models.regressor import build_regressor
    from ecg_keras.training.config import TrainConfig
    from ecg_keras.training.regressor_task import RegressorTask

    model = build_regressor(config.step_size, config.encoder, "none", (256,))
    task = RegressorTask(
        TrainConfig(encoder=config.encoder, learning_rate=1e-4)
    )
    task.compile(model, frozen=False)
    iterator = iter(batches)
    waiting_s = step_s = 0.0
    for step in range(config.steps + 2):
        start = time.perf_counter()
        images, targets = (x.numpy() for x in next(iterator))
        ready = time.perf_counter()
        model.train_on_batch(images, targets)
        if step >= 2:  # The first steps compile.
            waiting_s += ready - start
            step_s += time.perf_counter() - ready
    share = waiting_s / (waiting_s + step_s)
    print(
        f"{keras.backend.backend()}, {config.encoder} at {config.step_size}: "
        f"{step_s / config.steps:.2f} s a step, waiting for data "
        f"{100 * share:.1f} % of the time"
    )


if __name__ == "__main__":
    sys.exit(run_command(main))

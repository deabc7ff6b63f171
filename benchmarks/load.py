"""Many small pages through one worker: memory, open files, pages/s.

    python benchmarks/load.py --pages 10000

Files are opened, decoded, turned to rows and written as `archive` does; the
reader is `reader_double.ReaderDouble`. Prints a line every 1000 pages; an error
where memory grows by more than 50 MB after the first hundred, or files stay
open.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.reader_double import ReaderDouble
from ecg_keras.archive.opening import Unit, open_unit
from ecg_keras.archive.reading import PageModelHandler
from ecg_keras.archive.shards import write_shard

A_SHARD = 50
GROWTH_MB = 50


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=10_000)
    flags = parser.parse_args()
    handler = PageModelHandler(load=ReaderDouble)
    model = handler.load_model()
    first = None
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for seed in range(A_SHARD):
            rng = np.random.default_rng(seed)
            pixels = rng.integers(0, 256, (50, 70, 3), np.uint8)
            paths.append(str(Path(folder) / f"{seed}.png"))
            Image.fromarray(pixels).save(paths[-1])
        start_s = time.perf_counter()
        print("| pages | memory, MB | open files | pages/s |")
        print("| --- | --- | --- | --- |")
        for done in range(A_SHARD, flags.pages + 1, A_SHARD):
            opened = list(open_unit(Unit("unit", tuple(paths))))
            read = []
            for at in range(0, A_SHARD, handler.batch_size):
                batch = opened[at : at + handler.batch_size]
                read += handler.run_inference(batch, model)
            write_shard(f"{folder}/archive", "00000-unit", read, 500)
            if done == 100:
                first = memory_mb(), open_files()
            if done % 1000 == 0:
                speed = 1000 / (time.perf_counter() - start_s)
                start_s = time.perf_counter()
                print(
                    f"| {done} | {memory_mb():.0f} | {open_files()} | "
                    f"{speed:.0f} |",
                    flush=True,
                )
    growth_mb = memory_mb() - first[0]
    print(f"after the first 100 pages memory grew by {growth_mb:.0f} MB")
    assert growth_mb < GROWTH_MB
    assert open_files() == first[1]


def memory_mb():
    """Of this process, as the system counts it."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


if __name__ == "__main__":
    main()

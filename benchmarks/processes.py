"""How much faster many pages are read by a process for each core.

    python benchmarks/processes.py --pages FOLDER_OR_FILES

The pages are read by several processes and then in this one, without the time
that these take to load; it prints the ratio of both times, and whether the
answers are the same.
"""

import argparse
import time

from ecg_keras.reading_processes import (
    FEWEST_PAGES,
    in_turn,
    n_processes,
    page_reader,
    threads_for,
)


def _read(images, processes):
    """(seconds a page, `DigitizedEcg` of each)."""
    reader, threads = page_reader(processes=processes), threads_for(processes)
    # What is compiled, is, in each of them.
    list(in_turn(reader.read, images[:4] * processes, threads))
    start = time.perf_counter()
    found = [
        reading.digitized for reading in in_turn(reader.read, images, threads)
    ]
    return (time.perf_counter() - start) / len(images), found


def main():
    # Imported here: a process that begins with this file sets how many threads
    # NumPy has before it is loaded.
    import numpy as np

    from ecg_keras.documents.sources import find_files
    from ecg_keras.page.images import read_image

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pages", nargs="+", required=True)
    parser.add_argument(
        "--processes", type=int, default=n_processes(FEWEST_PAGES)
    )
    args = parser.parse_args()
    files, _ = find_files(args.pages)
    images = [read_image(file) for file in files]
    # Several first: threads that this one has begun would disturb them.
    some_s, some = _read(images, args.processes)
    one_s, one = _read(images, 1)
    same = all(
        a.quality == b.quality
        and np.allclose(a.signals_mv, b.signals_mv, 0, 1e-3, equal_nan=True)
        for a, b in zip(one, some, strict=True)
    )
    print(
        f"{len(images)} pages: {one_s:.2f} s a page by one process, "
        f"{some_s:.2f} s by {args.processes}, ratio {one_s / some_s:.2f}; "
        + ("answers alike to 1 uV" if same else "OTHER ANSWERS")
    )


if __name__ == "__main__":
    main()

"""Drawn scans whose feed skipped, against the same scans without.

    python -m ecg_keras render --output-dir DIR --images 0001 0003 0011
    python -m benchmarks.skips --data-dir DIR --skips 30

A scanner that skips leaves out 3 to 12 px over the whole width or height of a
page: what follows lies that much nearer. No page is to be called good that is
read at less than 15 dB.
"""

import dataclasses
import sys

import numpy as np

from benchmarks.cuts import pages, scored
from ecg_keras.ecg.records import read_records
from ecg_keras.page_reader import load_page_reader
from ecg_keras.settings import parse_flags, run_command, setting

LEAST_PX, MOST_PX = 3, 12


@dataclasses.dataclass(frozen=True)
class SkipsConfig:
    """Settings of benchmarks/skips.py."""

    data_dir: str | None = setting(None, "folder of drawn pages")
    images: tuple[str, ...] = setting(("all",), "image types", metavar="TYPE")
    skips: int = setting(30, "number of skips", metavar="N")
    seed: int = setting(0, "seed of where they are")


def main():
    config = parse_flags(SkipsConfig, __doc__.split("\n")[0])
    rng = np.random.default_rng(config.seed)
    reader = load_page_reader()
    records = read_records(config.data_dir, config.images)
    found = []
    for record, kind, image, before in pages(
        reader, records, config.skips, rng
    ):
        axis = int(rng.integers(2))
        n_px = int(rng.integers(LEAST_PX, MOST_PX + 1))
        at = int(rng.uniform(0.1, 0.9) * image.shape[axis])
        skipped = np.delete(image, slice(at, at + n_px), axis)
        after = scored(reader, np.ascontiguousarray(skipped), record)
        found.append((before[0], *after))
        print(
            f"{record.id}-{kind} {n_px:2d} px of {'yx'[axis]} at "
            f"{at / image.shape[axis]:.0%} {before[0]:5.1f} {before[1]:8s} -> "
            f"{after[0]:5.1f} {after[1]:8s}",
            flush=True,
        )
    before, after = (
        10 * np.log10(np.mean([10 ** (row[k] / 10) for row in found]))
        for k in (0, 1)
    )
    n_sure = sum(db < 15 and quality == "good" for _, db, quality, _ in found)
    print(
        f"{before:.1f} dB without, {after:.1f} dB with a skip; "
        f"{sum(quality == 'good' for *_, quality, _ in found)} of {len(found)} "
        f"good, {n_sure} of these under 15 dB"
    )


if __name__ == "__main__":
    sys.exit(run_command(main))

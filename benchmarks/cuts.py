"""Drawn pages with a side cut off, against the same pages uncut.

    python -m ecg_keras render --output-dir DIR --images 0001 0003 0006 0011
    python benchmarks/cuts.py --data-dir DIR --cuts 60

Where a trace is cut off, nothing is to be read; no page is to be called good
that is read at less than 15 dB.
"""

import dataclasses
import sys

import numpy as np
from tqdm import tqdm

from ecg_keras.ecg.digitized import REFUSED
from ecg_keras.ecg.leads import N_LEADS, N_SAMPLES
from ecg_keras.ecg.metrics import record_ratio, score_db
from ecg_keras.ecg.records import read_records, read_table
from ecg_keras.ecg.resampling import from_grid
from ecg_keras.page.images import read_image
from ecg_keras.page_reader import load_page_reader
from ecg_keras.settings import parse_flags, run_command, setting

SIDES = ("left", "right", "top", "bottom")
LEAST_SHARE, MOST_SHARE = 0.01, 0.15


@dataclasses.dataclass(frozen=True)
class CutsConfig:
    """Settings of benchmarks/cuts.py."""

    data_dir: str | None = setting(None, "folder of drawn pages")
    images: tuple[str, ...] = setting(("all",), "image types", metavar="TYPE")
    cuts: int = setting(60, "number of cuts", metavar="N")
    seed: int = setting(0, "seed of what is cut off")


def main():
    config = parse_flags(CutsConfig, __doc__.split("\n")[0])
    rng = np.random.default_rng(config.seed)
    reader = load_page_reader()
    records = read_records(config.data_dir, config.images)
    lost = []
    for record, kind, image, before in pages(reader, records, config.cuts, rng):
        share = rng.uniform(LEAST_SHARE, MOST_SHARE)
        side = int(rng.integers(4))
        after = scored(reader, cut(image, side, share), record)
        lost.append((before[0] - after[0], *after))
        print(
            f"{record.id}-{kind} {share:5.1%} of the {SIDES[side]:6s} "
            f"{before[0]:5.1f} {before[1]:8s} -> {after[0]:5.1f} {after[1]:8s} "
            f"{after[2]:.0%} of the traces lost"
        )
    n_near = sum(db < 3 for db, *_ in lost)
    n_sure = sum(
        after < 15 and is_good == "good" for _, after, is_good, _ in lost
    )
    print(f"{n_near} of {len(lost)} lose less than 3 dB; {n_sure} are good and "
          "under 15 dB")  # fmt: skip


def pages(reader, records, n_pages, rng):
    """Pages taken at random: (record, type, image, its `scored`)."""
    whole = {}
    for _ in tqdm(range(n_pages)):
        record = records[rng.integers(len(records))]
        kind = sorted(record.image_paths)[rng.integers(len(record.image_paths))]
        image = read_image(record.image_paths[kind])
        if (record.id, kind) not in whole:
            whole[record.id, kind] = scored(reader, image, record)
        yield record, kind, image, whole[record.id, kind]


def cut(image, side, share):
    height, width = image.shape[:2]
    x, y = round(share * width), round(share * height)
    return np.ascontiguousarray(
        (image[:, x:], image[:, : width - x], image[y:], image[: height - y])[
            side
        ]
    )


def scored(reader, image, record):
    """(dB of what was read, quality, share of printed samples not read)."""
    digitized = reader.read(image).digitized
    label = read_table(record.signals_path, record.n_samples)
    if digitized.quality == REFUSED:
        return 0.0, REFUSED, 1.0
    signals = np.full((N_LEADS, N_SAMPLES), np.nan, np.float32)
    shown = digitized.signals_mv[:, :N_SAMPLES]
    signals[:, : shown.shape[1]] = shown
    found = from_grid(signals, record.rate_hz, label)
    printed = np.isfinite(label)
    lost = 1 - np.isfinite(found[printed]).mean()
    # What was not read is no error of what was.
    kept = np.where(np.isfinite(found), label, np.nan)
    ratio = record_ratio(kept, np.nan_to_num(found), record.rate_hz)
    return score_db([ratio]), digitized.quality, float(lost)


if __name__ == "__main__":
    sys.exit(run_command(main))

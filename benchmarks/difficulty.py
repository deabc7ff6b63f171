"""How hard pages are: what needs no learning scores on each type of image.

    python benchmarks/difficulty.py --data-dir DIR

Zeros, the mean signal of the other records, and a classical tracker that is
told where the page lies: dynamic programming finds the darkest smooth path
through each straightened row, and the ink that hangs together with it gives
the trace.
DIR is a folder that `python -m ecg_keras render --maps` wrote.
"""

import dataclasses
import sys
from collections import defaultdict

import cv2
import numpy as np
from tqdm import tqdm

from ecg_keras.config import parse_flags, run_command, setting
from ecg_keras.leads import LEADS, N_SAMPLES, PAGE_ROWS, QUARTER_SAMPLES
from ecg_keras.metrics import record_ratio, score_db
from ecg_keras.records import read_records, read_table
from ecg_keras.resampling import from_grid
from ecg_keras.strip_batches import load_pictures, read_picture, whole_strips
from ecg_keras.strips import (
    MARGIN_SAMPLES,
    SAMPLES_PER_COLUMN,
    pixels_mv,
)

STEP_COST = 1.0  # grey levels a px
START_COST = 0.1  # grey levels a px from 0 mV, per column
INK_LEVEL = 20


@dataclasses.dataclass(frozen=True)
class DifficultyConfig:
    """Settings of benchmarks/difficulty.py."""

    data_dir: str | None = setting(None, "folder of pages with maps")
    images: tuple[str, ...] = setting(("all",), "image types", metavar="TYPE")
    records: int = setting(100, "most records of each type")


def main():
    config = parse_flags(DifficultyConfig, __doc__)
    records = read_records(config.data_dir, config.images)[: config.records]
    pictures = load_pictures(records)
    total = np.nan_to_num(pictures.targets).sum(axis=0)
    ratios = defaultdict(lambda: defaultdict(list))
    for path, page_map, index in tqdm(pictures.sources):
        record = pictures.records[index]
        kind = path.rsplit("-", 1)[1][:4]
        table = read_table(record.signals_path, record.n_samples)
        others = total - np.nan_to_num(pictures.targets[index])
        answers = {
            "zeros": np.zeros_like(total),
            "mean": others / max(len(pictures.records) - 1, 1),
            "tracker": track_page(*read_picture(path, page_map)),
        }
        for name, signals in answers.items():
            found = from_grid(signals, record.rate_hz, like=table)
            ratio = record_ratio(table, found, record.rate_hz)
            ratios[kind][name].append(ratio)
    print(f"{'type':6}{'pages':>6}{'zeros':>8}{'mean':>8}{'tracker':>9}")
    for kind, by_name in sorted(ratios.items()):
        scores = [score_db(values) for values in by_name.values()]
        n_pages = len(by_name["zeros"])
        print(
            f"{kind:6}{n_pages:6}{scores[0]:8.2f}{scores[1]:8.2f}"
            f"{scores[2]:9.2f}"
        )


def track_page(image, page_map):
    """(12, 5000) mV of a page by classical means, its place being known."""
    signals = np.zeros((len(LEADS), N_SAMPLES), np.float32)
    rows = [track(strip) for strip in whole_strips(image, page_map)]
    inside = slice(MARGIN_SAMPLES, MARGIN_SAMPLES + N_SAMPLES)
    for row, leads in enumerate(PAGE_ROWS):
        for quarter, lead in enumerate(leads):
            part = slice(
                quarter * QUARTER_SAMPLES, (quarter + 1) * QUARTER_SAMPLES
            )
            signals[LEADS.index(lead), part] = rows[row][inside][part]
    signals[LEADS.index("II")] = rows[3][inside]
    return signals


def track(strip):
    """The trace of a strip (H, W, 3): (2 W,) mV."""
    # The lightest channel: coloured lines are light in one of them.
    grey = strip.max(axis=2).astype(np.float32)
    paper = cv2.blur(grey, (61, 61))
    dark = np.clip(paper - grey - 25, 0, 60)
    height, width = dark.shape
    y = np.arange(height)
    off = START_COST * np.abs(y - (height - 1) / 2)
    cost = np.zeros((width, height), np.float32)
    cost[0] = off - dark[:, 0]
    for column in range(1, width):
        reached = _spread(cost[column - 1].copy())
        cost[column] = reached + off - dark[:, column]
    path = np.zeros(width, int)
    path[-1] = int(cost[-1].argmin())
    for column in range(width - 2, -1, -1):
        steps = STEP_COST * np.abs(y - path[column + 1])
        path[column] = int((cost[column] + steps).argmin())
    centre = [
        _run_centre(dark[:, column], path[column]) for column in range(width)
    ]
    centre = np.array(centre)
    mv = pixels_mv(centre)
    # Columns lie between two samples.
    columns = np.arange(SAMPLES_PER_COLUMN * width) / SAMPLES_PER_COLUMN - 0.25
    return np.interp(columns, np.arange(width), mv)


def _run_centre(dark, y):
    """Centroid of the dark pixels that hang together with the one at y."""
    ink = dark > INK_LEVEL
    if not ink[y]:
        return y
    above = y - int(np.argmin(ink[y::-1])) + 1
    below = y + int(np.argmin(ink[y:])) - 1
    if below < y or above > y:  # The run reaches the strip's edge.
        return y
    weight = dark[above : below + 1]
    return (weight * np.arange(above, below + 1)).sum() / weight.sum()


def _spread(cost):
    """Least cost to come to each y from any y, at STEP_COST a px."""
    for values in (cost, cost[::-1]):
        ramp = STEP_COST * np.arange(len(values))
        values[:] = np.minimum.accumulate(values - ramp) + ramp
    return cost


if __name__ == "__main__":
    sys.exit(run_command(main))

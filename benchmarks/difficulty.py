"""How hard pages are: what needs no learning scores on each type of image.

    python benchmarks/difficulty.py --data-dir DIR

Zeros, the mean signal of the other records, and a classical tracker that is
told where the page lies: dynamic programming finds the darkest smooth path
through each straightened row, and the ink that hangs together with it gives
the trace.
DIR is a folder that `python -m ecg_keras render --maps` wrote.
"""

import concurrent.futures
import dataclasses
import os
import sys
from collections import defaultdict

import cv2
import numpy as np
from tqdm import tqdm

from ecg_keras.data.pictures import load_pictures, read_on_paper
from ecg_keras.ecg.leads import LEADS, N_SAMPLES, printed_parts
from ecg_keras.ecg.metrics import record_ratio, score_db
from ecg_keras.ecg.records import read_records, read_table
from ecg_keras.ecg.resampling import from_grid
from ecg_keras.page.layouts import COMPETITION
from ecg_keras.page.row_images import (
    MARGIN_SAMPLES,
    SAMPLES_PER_COLUMN,
    pixels_mv,
    row_image,
)
from ecg_keras.settings import parse_flags, run_command, setting

STEP_COST = 1.0  # grey levels a px
START_COST = 0.1  # grey levels a px from 0 mV, per column
INK_LEVEL = 20
NAMES = "zeros", "mean", "tracker"


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
    targets = np.stack([page.signals_mv for page in pictures.pages])
    total = np.nan_to_num(targets).sum(axis=0)
    tables = [
        read_table(record.signals_path, record.n_samples)
        for record in pictures.records
    ]
    pages = []
    for picture in pictures.sources:
        index = picture.record
        others = total - np.nan_to_num(targets[index])
        mean = others / max(len(pictures.records) - 1, 1)
        rate_hz = pictures.records[index].rate_hz
        pages.append((picture, tables[index], rate_hz, mean))
    ratios = defaultdict(list)
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count()) as pool:
        found = tqdm(pool.map(_ratios, pages), "tracking pages", len(pages))
        for (picture, *_), of_page in zip(pages, found, strict=True):
            ratios[picture.path.rsplit("-", 1)[1][:4]].append(of_page)
    heads = "".join(f"{name:>9}" for name in NAMES)
    print(f"{'type':6}{'pages':>6}{heads}")
    for kind, of_pages in sorted(ratios.items()):
        scores = [score_db(values) for values in zip(*of_pages, strict=True)]
        row = "".join(f"{score:9.2f}" for score in scores)
        print(f"{kind:6}{len(of_pages):6}{row}")


def _ratios(page):
    """The competition's ratio of each of NAMES on a page."""
    picture, table, rate_hz, mean = page
    cv2.setNumThreads(1)
    tracked = track_page(*read_on_paper(picture))
    return [
        record_ratio(table, from_grid(signals, rate_hz, like=table), rate_hz)
        for signals in (np.zeros_like(mean), mean, tracked)
    ]


def track_page(image, paper_map):
    """(12, 5000) mV of a page by classical means, its place being known."""
    signals = np.zeros((len(LEADS), N_SAMPLES), np.float32)
    strips = [
        row_image(image, paper_map, row) for row in COMPETITION.printed().rows
    ]
    rows = track(np.stack(strips))
    inside = slice(MARGIN_SAMPLES, MARGIN_SAMPLES + N_SAMPLES)
    for row, lead, samples in printed_parts():  # The strip comes last.
        signals[LEADS.index(lead), samples] = rows[row][inside][samples]
    return signals


def track(strips):
    """The traces of the strips (R, H, W, 3) of a page: (R, 2 W) mV."""
    # The lightest channel: coloured lines are light in one of them.
    grey = strips.max(axis=3).astype(np.float32)
    paper = np.stack([cv2.blur(row, (61, 61)) for row in grey])
    dark = np.clip(paper - grey - 25, 0, 60)
    n_rows, height, width = dark.shape
    y = np.arange(height)
    off = START_COST * np.abs(y - (height - 1) / 2)
    # Column by column, all rows at once.
    cost = off - np.moveaxis(dark, 2, 0)
    for column in range(1, width):
        cost[column] += _spread(cost[column - 1].copy())
    path = np.zeros((n_rows, width), int)
    path[:, -1] = cost[-1].argmin(axis=1)
    for column in range(width - 2, -1, -1):
        steps = STEP_COST * np.abs(y - path[:, column + 1, None])
        path[:, column] = (cost[column] + steps).argmin(axis=1)
    mv = pixels_mv(_run_centres(dark, path))
    # Columns lie between two samples.
    columns = np.arange(SAMPLES_PER_COLUMN * width) / SAMPLES_PER_COLUMN - 0.25
    return np.stack([np.interp(columns, np.arange(width), row) for row in mv])


def _run_centres(dark, path):
    """Centroids of the dark pixels that hang together with the path's.

    Args:
        dark: (R, H, W).
        path: (R, W), px.

    Returns:
        (R, W) px; the path itself where it is not on ink.
    """
    height = dark.shape[1]
    y = np.arange(height)[:, None]
    ink = dark > INK_LEVEL
    gap_above = np.maximum.accumulate(np.where(ink, -1, y), axis=1)
    gap_below = np.minimum.accumulate(
        np.where(ink, height, y)[:, ::-1], axis=1
    )[:, ::-1]

    def at(values, places):
        return np.take_along_axis(values, places[:, None], axis=1)[:, 0]

    def sums(values):
        """Sums over the run, from cumulative sums that begin with 0."""
        total = np.cumsum(values, axis=1, dtype=np.float64)
        total = np.pad(total, [(0, 0), (1, 0), (0, 0)])
        return at(total, at(gap_below, path)) - at(
            total, at(gap_above, path) + 1
        )

    on_ink = at(ink, path)
    weight = np.where(on_ink, sums(dark), 1)
    return np.where(on_ink, sums(dark * y) / weight, path)


def _spread(cost):
    """Least cost (R, H) to come to each y from any y, at STEP_COST a px."""
    ramp = STEP_COST * np.arange(cost.shape[1], dtype=cost.dtype)
    for values in (cost, cost[:, ::-1]):
        values[:] = np.minimum.accumulate(values - ramp, axis=1) + ramp
    return cost


if __name__ == "__main__":
    sys.exit(run_command(main))

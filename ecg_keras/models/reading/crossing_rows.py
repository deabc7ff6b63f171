"""Print that two rows are read from, told apart.

Where waves of neighbouring rows cross, the row network may follow the wrong
one: both rows are then read from one print, and what belongs to one of them
from none. One of both is read again without that print: the one that loses
less likelihood by it, or even gains, as the one that is wrong jumps to it.
"""

import dataclasses

import numpy as np

from ecg_keras.page.paper import GAIN_MM_PER_MV
from ecg_keras.page.row_images import (
    N_BINS,
    PIXELS_PER_BIN,
    SAMPLE_MM,
    bins_mv,
    mv_pixels,
)

# Two rows this near to each other, mm, for so long are read from one print.
ONE_PRINT_MM, LEAST_SHARED_MM = 0.5, 0.6
# So much of the print around is left out, mm along and across the paper.
ALONG_MM, ACROSS_MM = 0.5, 1.0
# Likelihood is compared over so much more, mm; a row that loses more nats has
# nowhere else to go: two traces do touch.
AROUND_MM, MOST_LOST = 1.5, 10.0
# Likelihood of a path: of so many bins around it, in nats no less than this a
# sample, and so many nats for each mm^2 by which it steps from one to the next.
# Of 28 such places on drawn pages the path that was wrong gained 20 to 110 by
# its steps, the right one lost 30 to 190.
NEAR_BINS, LEAST_LOG, STEPS = 2, -30.0, 0.1


@dataclasses.dataclass(frozen=True, eq=False)
class Path:
    """A lead as it was read.

    Attributes:
        logits: (bins, n) of its samples.
        zero_y_mm: of the line about which its row was sampled.
        x_start_mm: of its first sample.
        height_mm, std_mm: (n,) above that line, as `likely_path` has it.
    """

    logits: np.ndarray
    zero_y_mm: float
    x_start_mm: float
    height_mm: np.ndarray
    std_mm: np.ndarray


def told_apart(upper, lower, likely_path):
    """Two leads of neighbouring rows, each read from print of its own.

    Args:
        upper, lower: `Path`s.
        likely_path: function of logits, heights and deviations in mm.

    Returns:
        (upper, lower) `Path`s, the same where no print is shared.
    """
    stretches = shared(upper, lower)
    if not stretches:
        return upper, lower
    pair = [upper, lower]
    others = [
        _read_without(own, other, stretches, likely_path)
        for own, other in ((upper, lower), (lower, upper))
    ]
    lost = np.array([
        [_lost(own, again, stretch) for stretch in stretches]
        for own, again in zip(pair, others, strict=True)
    ])  # fmt: skip
    loser = lost.argmin(axis=0)
    found = []
    for k, (own, again) in enumerate(zip(pair, others, strict=True)):
        chosen = [
            stretch
            for stretch, which, least in zip(
                stretches, loser, lost.min(axis=0), strict=True
            )
            if which == k and least < MOST_LOST
        ]
        if len(chosen) == len(stretches):
            own = again
        elif chosen:
            own = _read_without(own, pair[1 - k], chosen, likely_path)
        found.append(own)
    return tuple(found)


def shared(upper, lower):
    """[(start_mm, end_mm)] of the paper where two leads lie on one print."""
    first = max(upper.x_start_mm, lower.x_start_mm)
    ends = [path.x_start_mm + SAMPLE_MM * len(path.height_mm)
            for path in (upper, lower)]  # fmt: skip
    x_mm = np.arange(first, min(ends), SAMPLE_MM)
    if not len(x_mm):
        return []
    y_upper, y_lower = (
        path.zero_y_mm - _at(path, x_mm) for path in (upper, lower)
    )
    near = np.pad(np.abs(y_upper - y_lower) < ONE_PRINT_MM, 1)
    runs = np.flatnonzero(np.diff(near.astype(int))).reshape(-1, 2)
    runs = runs[np.ptp(runs, axis=1) * SAMPLE_MM >= LEAST_SHARED_MM]
    return [tuple(first + SAMPLE_MM * run) for run in runs]


def _at(path, x_mm):
    along = path.x_start_mm + SAMPLE_MM * np.arange(len(path.height_mm))
    return np.interp(x_mm, along, path.height_mm)


def _columns(path, start_mm, end_mm, more_mm):
    """Slice of the samples of a stretch and of so much around it."""
    first = round((start_mm - more_mm - path.x_start_mm) / SAMPLE_MM)
    last = round((end_mm + more_mm - path.x_start_mm) / SAMPLE_MM)
    return slice(max(first, 0), max(last, 0))


def _read_without(own, other, stretches, likely_path):
    """A lead, read again without the print that another lies on."""
    logits = own.logits.copy()
    bins_mm = bins_mv()[:, None] * GAIN_MM_PER_MV
    for stretch in stretches:
        columns = _columns(own, *stretch, ALONG_MM)
        x_mm = own.x_start_mm + SAMPLE_MM * np.arange(logits.shape[1])[columns]
        height = own.zero_y_mm - other.zero_y_mm + _at(other, x_mm)
        part = logits[:, columns]
        part[np.abs(bins_mm - height) < ACROSS_MM] = logits.min()
    return dataclasses.replace(
        own,
        **dict(zip(("height_mm", "std_mm"), likely_path(logits), strict=True)),
    )


def _lost(own, again, stretch):
    """Nats by which another path is less likely."""
    columns = _columns(own, *stretch, AROUND_MM)
    logits = own.logits[:, columns].astype(np.float64)
    if not logits.shape[1]:
        return np.inf
    log = logits - logits.max(axis=0)
    log -= np.log(np.exp(log).sum(axis=0))
    before, after = (
        _log_of(log, path.height_mm[columns]) for path in (own, again)
    )
    return float(before - after)


def _log_of(log, height_mm):
    """Log likelihood of a path: steps count, which lead to other print."""
    bins = mv_pixels(height_mm / GAIN_MM_PER_MV) / PIXELS_PER_BIN
    near = np.arange(-NEAR_BINS, NEAR_BINS + 1)[:, None]
    bins = (np.round(bins).astype(int) + near).clip(0, N_BINS - 1)
    best = np.take_along_axis(log, bins, axis=0).max(axis=0)
    steps = np.square(np.diff(height_mm)).sum()
    return np.maximum(best, LEAST_LOG).sum() - STEPS * steps

"""How far a picture's grid is from where a map says, by the grid's phase.

A picture is straightened by the map that is known so far (`straightened`), so
that its grid has a known period in known directions. In Gaussian windows it is
multiplied by that wave (demodulated): the phase of the sum says how far the
lines are off, modulo the period. Other wavelengths say how much of it is noise.
"""

import dataclasses

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import (
    breadth_first_order,
    connected_components,
    minimum_spanning_tree,
)

# Places within a period at which a line is looked for.
_SHIFTS = 48
# Windows end here: processors multiply by smaller numbers forty times slower.
_LEAST_WEIGHT = 1e-12


@dataclasses.dataclass(frozen=True)
class Scale:
    """How the lines of one period are looked at.

    Attributes:
        period_mm: of the lines.
        px_per_mm: of the straightened picture.
        sigma_mm, step_mm: of the windows, a number or one for x, one for y.
        harmonics: of the period, that make up a line.
        controls: waves that no grid has, in the same units: text, traces and
            the grid's own irregularity.
        least_snr: of a window that counts.
    """

    period_mm: float
    px_per_mm: float
    sigma_mm: float | tuple[float, float]
    step_mm: float | tuple[float, float]
    harmonics: tuple[float, ...]
    controls: tuple[float, ...]
    least_snr: float


@dataclasses.dataclass(frozen=True)
class Offsets:
    """Offsets of the grid in windows, a regular raster of places.

    Attributes:
        x_mm, y_mm: (nx,), (ny,) middles of the windows, in mm of the map.
        offset_mm: (ny, nx, 2): true mm less the map's mm, along x and along y,
            modulo the period.
        snr: (ny, nx, 2): power at the grid's wave against that of others.
        period_mm: of the lines that were looked at.
    """

    x_mm: np.ndarray
    y_mm: np.ndarray
    offset_mm: np.ndarray
    snr: np.ndarray
    period_mm: float

    @property
    def places_mm(self):
        """(ny, nx, 2) middles of the windows."""
        return np.stack(np.meshgrid(self.x_mm, self.y_mm), axis=-1)


def measure(raster, x_mm, y_mm, scale):
    """Offsets in Gaussian windows.

    The harmonics of a line's period add up to its profile: lines are where it
    is highest. Their power against that of waves in between, which no grid of
    that period has, is the window's signal-to-noise ratio.

    Args:
        raster: (h, w) float32 contrast of the straightened picture, 0 where
            there is no picture.
        x_mm, y_mm: (w,), (h,) mm of its columns and rows, evenly spaced.
        scale: `Scale`, how to look.

    Returns:
        `Offsets`.
    """
    sigma = np.broadcast_to(scale.sigma_mm, 2)
    step = np.broadcast_to(scale.step_mm, 2)
    middles, windows = [], []
    for axis, mm in enumerate((x_mm, y_mm)):
        inside = np.arange(
            mm[0] + min(step[axis], mm[-1] - mm[0]) / 2, mm[-1], step[axis]
        )
        distance = (mm[None] - inside[:, None]) / sigma[axis]
        middles.append(inside)
        window = np.exp(-0.5 * distance**2)
        window[window < _LEAST_WEIGHT] = 0.0
        windows.append(window.astype(np.float32))
    factors = np.array(scale.harmonics + scale.controls)
    n = len(scale.harmonics)
    shifts = scale.period_mm * (np.arange(_SHIFTS) / _SHIFTS - 0.5)
    turns = np.exp(
        -2j * np.pi * factors[:n, None] * shifts[None] / scale.period_mm
    )
    offsets, snrs = [], []
    for axis, mm in enumerate((x_mm, y_mm)):
        angle = 2 * np.pi / scale.period_mm * factors[:, None] * mm[None]
        waves = np.stack([np.cos(angle), -np.sin(angle)]).astype(np.float32)
        own, other = windows[axis], windows[1 - axis]
        # (2, factors, windows, px) x (px, px') x (px', windows')
        kernels = (waves[:, :, None] * own[None, None]).reshape(-1, len(mm))
        image = raster if axis == 1 else raster.T
        sums = (kernels @ (image @ other.T)).reshape(
            2, len(factors), len(own), len(other)
        )
        sums = sums[0] + 1j * sums[1]
        if axis == 0:
            sums = sums.transpose(0, 2, 1)
        power = np.abs(sums) ** 2
        noise = power[n:].mean(axis=0)
        noise = _smoothed(noise) + 1e-6 * np.median(power[:n]) + 1e-9
        snrs.append(power[:n].mean(axis=0) / noise)
        profile = np.einsum("kyx,ks->yxs", sums[:n], turns).real
        offsets.append(_peak(profile, shifts))
    return Offsets(
        middles[0],
        middles[1],
        np.stack(offsets, axis=-1),
        np.stack(snrs, axis=-1),
        float(scale.period_mm),
    )


def _peak(profile, shifts):
    """Where a cyclic profile, (..., n), is highest, between its samples."""
    top = profile.argmax(axis=-1)
    n = len(shifts)
    before, at, after = (
        np.take_along_axis(profile, ((top + k) % n)[..., None], -1)[..., 0]
        for k in (-1, 0, 1)
    )
    curve = np.minimum(before - 2 * at + after, -1e-12)
    part = np.clip(0.5 * (before - after) / curve, -0.5, 0.5)
    return shifts[top] + part * (shifts[1] - shifts[0])


def unwrapped(offsets, seed_mm, least_snr, longest_step=0.3):
    """Offsets that are continuous from window to window, from a seed on.

    A spanning tree joins neighbouring windows, those that differ least first.
    Windows with noise, and those that differ by too much of a period from all
    their neighbours, are left out.

    Args:
        offsets: `Offsets`.
        seed_mm: (2,) place from which to go on: the windows joined with the
            best window near it.
        least_snr: in both directions.
        longest_step: share of the period by which neighbours may differ.

    Returns:
        (ny, nx, 2) continuous offsets and (ny, nx) whether a window counts.
    """
    period = offsets.period_mm
    clear = offsets.snr.min(axis=-1) >= least_snr
    ny, nx = clear.shape
    index = np.arange(ny * nx).reshape(ny, nx)
    firsts, seconds, costs = [], [], []
    for first, second in (
        (np.s_[:, :-1], np.s_[:, 1:]),
        (np.s_[:-1, :], np.s_[1:, :]),
    ):
        step = _wrapped(
            offsets.offset_mm[second] - offsets.offset_mm[first], period
        )
        cost = np.abs(step).max(axis=-1) / period
        fine = clear[first] & clear[second] & (cost <= longest_step)
        firsts.append(index[first][fine])
        seconds.append(index[second][fine])
        costs.append(cost[fine] + 1e-3)
    graph = coo_array(
        (
            np.concatenate(costs),
            # SciPy before 1.16 knows trees of 32 bit indices only.
            tuple(
                np.concatenate(ends).astype(np.int32)
                for ends in (firsts, seconds)
            ),
        ),
        shape=(ny * nx, ny * nx),
    ).tocsr()
    labels = connected_components(graph, directed=False)[1]
    counts = np.bincount(labels, minlength=labels.max() + 1)
    near = np.hypot(*np.moveaxis(offsets.places_mm - seed_mm, -1, 0))
    # Of the windows near the seed, the one whose neighbourhood is largest.
    close = near.ravel() <= max(near.min(), 0) + 6 * (
        offsets.x_mm[1] - offsets.x_mm[0] if nx > 1 else 1.0
    )
    candidates = np.flatnonzero(close & clear.ravel())
    mask = np.zeros(ny * nx, bool)
    result = offsets.offset_mm.reshape(-1, 2).copy()
    if not len(candidates):
        return result.reshape(ny, nx, 2), mask.reshape(ny, nx)
    start = candidates[np.argmax(counts[labels[candidates]])]
    tree = minimum_spanning_tree(graph)
    order, before = breadth_first_order(
        tree + tree.T, start, directed=False, return_predecessors=True
    )
    for node in order[1:]:
        parent = before[node]
        result[node] = result[parent] + _wrapped(
            result[node] - result[parent], period
        )
    mask[order] = True
    return result.reshape(ny, nx, 2), mask.reshape(ny, nx)


def torn(offsets, values, mask):
    """(ny, nx) windows at which neighbours disagree by half a period or more.

    A ring of windows around which the wrapped steps do not add up to zero
    means that somewhere a period was lost: the continuous offsets then jump.
    """
    bad = np.zeros(mask.shape, bool)
    half = offsets.period_mm / 2
    for axis in (0, 1):
        step = np.abs(np.diff(values, axis=axis)).max(axis=-1)
        first = np.take(mask, range(mask.shape[axis] - 1), axis=axis)
        second = np.take(mask, range(1, mask.shape[axis]), axis=axis)
        jump = (step > half) & first & second
        where = np.argwhere(jump)
        bad[tuple(where.T)] = True
        where[:, axis] += 1
        bad[tuple(where.T)] = True
    return bad


def _wrapped(values, period):
    return values - period * np.round(values / period)


def _smoothed(values):
    """Means over 3 x 3 windows; the edge counts itself again."""
    padded = np.pad(values, 1, mode="edge")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    return (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / 9

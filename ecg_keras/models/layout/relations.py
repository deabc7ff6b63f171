"""Which leads rows show, told by what leads have to do with each other.

All limb leads follow from I and II (Einthoven, Goldberger), and two prints of
one lead are alike. Leads that are shown at the same time are therefore less
free than they are many: a kind of page says how, and its rows either agree or
do not. No name has to be read for that.
"""

import functools

import numpy as np

from ecg_keras.ecg.leads import LIMB_FROM_I_II, LIMB_LEADS

# Readings this small, in mm, tell nothing: (root of the mean square).
FLAT_MM = 0.3
# The same of two prints of one lead: they differ by less than leads do that
# only follow from each other.
FLAT_PRINT_MM = 0.15
# The share of the rows' power that disagrees, at which agreement ends.
AGREES_BELOW = 0.35
# The same in Cabrera's order: any leads that turn smoothly, as V1 to V6 do, are
# so alike to the middle of their neighbours. A page of V1 to V6 has 0.055.
AGREES_BELOW_IN_CABRERA = 0.03
# The most that one window counts for, and against.
MOST_FOR, MOST_AGAINST = 3.0, 2.0
# Redundancies of one window that count.
MOST_REDUNDANT = 2
# The worst of samples are left out: spikes read on a neighbour.
TRIMMED = 0.03


def mixing_matrix(leads):
    """What leads shown at the same time are made of.

    Args:
        leads: names; "-" before one that is printed turned over.

    Returns:
        (n, m): each lead of the m signals that they all follow from: I and II,
        and each chest lead by itself.
    """
    columns = {}
    rows = []
    for name in leads:
        sign = -1.0 if name.startswith("-") else 1.0
        lead = name.lstrip("-")
        if lead in LIMB_LEADS:
            own = LIMB_FROM_I_II[LIMB_LEADS.index(lead)]
            rows.append({"I": sign * own[0], "II": sign * own[1]})
        else:
            rows.append({lead: sign})
        for source in rows[-1]:
            columns.setdefault(source, len(columns))
    matrix = np.zeros((len(leads), len(columns)))
    for index, row in enumerate(rows):
        for source, factor in row.items():
            matrix[index, columns[source]] = factor
    return matrix


@functools.lru_cache(maxsize=4096)
def _projection(leads):
    """(n, n) onto what leads may be, and how many of them are redundant."""
    if not leads:  # NumPy before 2.3 knows no rank of nothing.
        return np.zeros((0, 0)), 0
    matrix = mixing_matrix(leads)
    onto = matrix @ np.linalg.pinv(matrix)
    return onto, len(leads) - int(np.linalg.matrix_rank(matrix))


def redundancy(leads):
    """How many of some leads follow from the others."""
    return _projection(tuple(leads))[1]


def disagreement(leads, heights):
    """How much of leads' power does not fit what they should be.

    Args:
        leads: n names.
        heights: (n, T) mm or mV; each lead's offset is free.

    Returns:
        (share, weight): 0 where leads agree to about 1 where they are
        unrelated; from 0, where they are flat, to 1, how much that tells.
    """
    onto, free = _projection(tuple(leads))
    share, weight = _disagreement(onto, free, heights)
    return float(share), float(weight)


def _disagreement(onto, free, heights, flat_mm=FLAT_MM):
    """`disagreement` of projections (..., n, n) and heights (..., n, T)."""
    heights = heights - heights.mean(axis=-1, keepdims=True)
    off = np.square(heights - onto @ heights).sum(axis=-2)
    power = np.square(heights).mean(axis=-2)
    n_kept = max(int(off.shape[-1] * (1 - TRIMMED)), 1)
    kept = np.argpartition(off, n_kept - 1, axis=-1)[..., :n_kept]
    off, power = (
        np.take_along_axis(values, kept, axis=-1).mean(axis=-1)
        for values in np.broadcast_arrays(off, power)
    )
    return off / free / (power + flat_mm**2), power / (power + flat_mm**2)


def evidence(leads, heights, agrees_below=AGREES_BELOW):
    """For (above 0) or against (below 0) rows being some leads.

    Args:
        leads: n names.
        heights: (..., n, T), see `disagreement`.
        agrees_below: the share at which agreement ends.

    Returns:
        (...).
    """
    return evidence_of_each([leads], heights[None], agrees_below)[0]


def evidence_of_each(
    sets, heights, agrees_below=AGREES_BELOW, most_for=MOST_FOR, flat_mm=FLAT_MM
):
    """`evidence` of several sets of as many leads, at once.

    Args:
        sets: S tuples of n names.
        heights: (S, ..., n, T), or (1, ..., n, T) of all sets.
        agrees_below: see `evidence`.
        most_for: the most that it counts for each redundancy.
        flat_mm: see `FLAT_MM`.

    Returns:
        (S, ...).
    """
    onto, free = map(
        np.array, zip(*map(_projection, map(tuple, sets)), strict=True)
    )
    # As many axes as the heights have.
    between = tuple(range(1, heights.ndim - 2))
    onto, free = np.expand_dims(onto, between), np.expand_dims(free, between)
    if heights.shape[-1] < 20 or not free.any():
        return np.zeros((len(sets), *heights.shape[1:-2]))
    share, weight = _disagreement(onto, np.maximum(free, 1), heights, flat_mm)
    tells = np.log(agrees_below / np.maximum(share, 1e-3))
    free = np.minimum(free, MOST_REDUNDANT)
    return free * weight * np.clip(tells, -MOST_AGAINST, most_for)


def most_evidence(leads, both, agrees_below=AGREES_BELOW):
    """`evidence` of rows as they are or aligned, whichever agrees better.

    Args:
        leads, agrees_below: see `evidence`.
        both: (2, n, T).
    """
    return float(evidence(leads, both, agrees_below).max())

"""Rows that names tell of: where traces are too faint, or cross others' lines.

Names of a page stand the same way beside their rows. Where one stands so, above
or below others, and no row was found, there is one.
"""

import numpy as np

from ecg_keras.models.layout.columns import usual
from ecg_keras.models.layout.lead_names import (
    BELOW_MM,
    RIGHT_MM,
    SAME_BELOW_MM,
    SAME_RIGHT_MM,
)
from ecg_keras.models.layout.trace_rows import LEAST_PITCH_MM, TraceRow

# So many names stand beside rows, and above or below one that has none.
LEAST_BESIDE, LEAST_ALIGNED = 4, 2
# Rows that are found beside names, as a part of all that these tell.
LEAST_FOUND = 0.5
# A row is no further from the next than so many times what is usual.
FURTHEST_PITCHES = 1.6


def with_named_rows(page, rows, names):
    """Rows of a page, with those that only names tell of.

    Args:
        page: `straight_page.StraightPage`.
        rows: list of `trace_rows.TraceRow` from the top down.
        names: `lead_names.Names` of the page.

    Returns:
        list of `TraceRow` from the top down. Those that only names tell of are
        as long as most, and of coverage 0.
    """
    if len(rows) < 2:
        return rows
    zero_y = np.array([row.zero_y_mm for row in rows])
    start, end = (
        usual([getattr(row, key) for row in rows])
        for key in ("x_start_mm", "x_end_mm")
    )
    leads, (x, y) = names.sure_between(start + RIGHT_MM[0], end)
    below = _usual_way(y, zero_y)
    if below is None:
        return rows
    lines = y - below
    off = np.abs(lines[:, None] - zero_y).min(axis=1)
    beside = off < SAME_BELOW_MM
    if beside.sum() < LEAST_BESIDE:
        return rows
    pitch = float(np.median(np.diff(zero_y)))
    found, known = [], zero_y
    # Those of strips stand elsewhere on some pages, and name a lead again.
    is_new = ~np.isin(leads, leads[beside])
    missing = _clusters(lines[is_new & _are_missing(x, off, beside)])
    for line in sorted(missing, key=lambda y: np.abs(zero_y - y).min()):
        nearest = np.abs(known - line).min()
        is_shown = page.inside.shape[0] > page.row(line) >= 0
        if nearest < FURTHEST_PITCHES * pitch and is_shown:
            found.append(TraceRow(line, start, end, 0.0))
            known = np.append(known, line)
    if len(found) > (1 / LEAST_FOUND - 1) * len(rows):
        return rows
    return sorted([*rows, *found], key=lambda row: row.zero_y_mm)


def _usual_way(name_y_mm, zero_y_mm):
    """How far below their rows most names stand; None without any."""
    below = (name_y_mm[:, None] - zero_y_mm).ravel()
    below = below[(below > BELOW_MM[0]) & (below < BELOW_MM[1])]
    if not len(below):
        return None
    near = np.abs(below[:, None] - below) < SAME_BELOW_MM / 2
    # Names midway between rows stand as near to the next.
    most = near.sum(axis=1) - 1e-3 * np.abs(below)
    return float(np.median(below[near[int(most.argmax())]]))


def _are_missing(x_mm, off_mm, beside):
    """Which names stand beside no row, above or below those that do."""
    aligned = np.abs(x_mm[:, None] - x_mm[beside]) < SAME_RIGHT_MM
    return (off_mm > LEAST_PITCH_MM) & (aligned.sum(axis=1) >= LEAST_ALIGNED)


def _clusters(lines_mm):
    """The middles of lines that are the same, from the top down."""
    lines = np.sort(lines_mm)
    if not len(lines):
        return []
    parts = np.split(lines, np.flatnonzero(np.diff(lines) > SAME_BELOW_MM) + 1)
    return [float(np.median(part)) for part in parts]

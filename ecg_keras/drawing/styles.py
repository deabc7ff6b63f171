"""Pages of many looks: what makes a model robust beyond the competition's."""

import dataclasses

import numpy as np
from matplotlib.font_manager import FontProperties

from ecg_keras.drawing.clean_page import MAX_INK_GREY, Style
from ecg_keras.page.layouts import COMPETITION, OTHERS
from ecg_keras.page.paper import PAGE_HEIGHT_PX, PAGE_WIDTH_PX

FONT_FAMILIES = (
    "DejaVu Sans", "DejaVu Sans Mono", "DejaVu Serif", "STIXGeneral",
)  # fmt: skip
SPEEDS_MM_PER_S = (25.0, 25.0, 50.0)
GAINS_MM_PER_MV = (10.0, 10.0, 5.0, 20.0)
NOTES = (
    "Vent. rate 71 BPM", "PR interval 162 ms", "QRS duration 88 ms",
    "QT/QTc 392/417 ms", "P-R-T axes 54 31 48", "Sinus rhythm",
    "Normal ECG", "Unconfirmed", "0.05-150 Hz", "AC 50 Hz", "Bed 12",
    "Loc: 3", "Dr. Kim", "Technician: MJ", "HR 84", "Left axis deviation",
)  # fmt: skip
# Share of the pages that look as the competition's.
PLAIN_SHARE = 0.4
# Where text and marks come between the rows, as in the margin.
_ROWS_TOP_PX, _ROWS_BOTTOM_PX = 450, 1690


def random_style(rng, other_layouts=True):
    """Draw the look of a page.

    Args:
        rng: numpy Generator.
        other_layouts: whether the page may be another than the competition's
            3x4+1 at 25 mm/s and 10 mm/mV (one in two of
            those with another look is, then).

    Returns:
        `clean_page.Style`.
    """
    if rng.random() < PLAIN_SHARE:
        return Style(ink=float(rng.uniform(0, MAX_INK_GREY)))
    layout = COMPETITION
    if other_layouts and rng.random() < 0.5:
        layouts = (COMPETITION, *OTHERS)
        layout = dataclasses.replace(
            layouts[rng.integers(len(layouts))],
            speed_mm_per_s=float(rng.choice(SPEEDS_MM_PER_S)),
            gain_mm_per_mv=float(rng.choice(GAINS_MM_PER_MV)),
        )
    coarse, fine = _grid_colours(rng)
    usual = rng.random() < 0.5  # In half of the pages only some things differ.
    return Style(
        layout=layout,
        ink=float(rng.uniform(0, MAX_INK_GREY)) if usual else _ink(rng),
        trace_width_px=float(rng.uniform(1.6, 2.6 if usual else 3.6)),
        coarse_colour=coarse,
        fine_colour=fine,
        font=FontProperties(
            family="DejaVu Sans" if usual else str(rng.choice(FONT_FAMILIES)),
            size=11 if usual else float(rng.uniform(7, 14)),
            weight="normal" if usual or rng.random() < 0.7 else "bold",
        ),
        names=str(rng.choice(["below", "above", "none"], p=(0.8, 0.15, 0.05))),
        ticks=bool(rng.random() < 0.8),
        pulse=str(rng.choice(["left", "right", "none"], p=(0.8, 0.1, 0.1))),
        notes=tuple(_note(rng) for _ in range(rng.integers(0, 8))),
        strokes=tuple(_stroke(rng) for _ in range(rng.choice([0, 0, 1, 2, 5]))),
    )


def _grid_colours(rng):
    """RGB of coarse and fine lines; None where there are no lines."""
    if rng.random() < 0.35:
        return Style.coarse_colour, Style.fine_colour
    coarse = rng.uniform(60, 235, 3)
    if rng.random() < 0.6:  # red and brown papers are the most common
        coarse = rng.uniform((170, 30, 30), (255, 190, 190))
    fade = rng.uniform(0.3, 0.9)
    fine = coarse + fade * (255 - coarse)
    coarse, fine = (tuple(int(v) for v in colour) for colour in (coarse, fine))
    if rng.random() < 0.06:
        return None, None
    return coarse, fine if rng.random() < 0.85 else None


def _ink(rng):
    dark = rng.uniform(0, 0.4)
    tint = rng.uniform(0, 0.25, 3) if rng.random() < 0.5 else np.zeros(3)
    return tuple(float(v) for v in np.clip(dark + tint, 0, 1))


def _note(rng):
    """A line of print, mostly above the traces."""
    top = 170 if rng.random() < 0.7 else _ROWS_TOP_PX
    bottom = _ROWS_TOP_PX if top == 170 else _ROWS_BOTTOM_PX
    x = rng.uniform(20, PAGE_WIDTH_PX - 400)
    return float(x), float(rng.uniform(top, bottom)), str(rng.choice(NOTES))


def _stroke(rng):
    """A mark by hand: a wobbly line, as letters, arrows and circles are."""
    n_points = int(rng.integers(20, 120))
    heading = rng.uniform(0, 2 * np.pi)
    turns = np.cumsum(rng.normal(0, 0.25, n_points)) + rng.normal(0, 0.05)
    angle = heading + np.cumsum(turns) * 0.15
    step = rng.uniform(1.5, 6)
    x = rng.uniform(50, PAGE_WIDTH_PX - 50) + np.cumsum(step * np.cos(angle))
    y = rng.uniform(50, PAGE_HEIGHT_PX - 50) + np.cumsum(step * np.sin(angle))
    ink = _ink(rng)
    if rng.random() < 0.5:
        ink = (0.1, 0.15, float(rng.uniform(0.5, 0.8)))
    return x, y, float(rng.uniform(1.5, 5)), ink

"""Grids of ECG paper of any kind, at any scale, drawn by area coverage."""

import dataclasses

import cv2
import numpy as np

from ecg_keras.page.paper import COARSE_GRID_MM, FINE_GRID_MM

# Families of paper, RGB of the 5 mm lines: matched by eye to the colours of
# `real_pages` and strangers' pages (red and pink two thirds of them).
_COLOURS = (
    ((235, 90, 90), 0.20), ((255, 0, 0), 0.08), ((240, 150, 160), 0.18),
    ((230, 150, 110), 0.08), ((255, 120, 60), 0.07), ((170, 110, 90), 0.07),
    ((110, 190, 150), 0.06), ((120, 160, 220), 0.05), ((150, 150, 150), 0.11),
    ((40, 40, 40), 0.05), ((160, 110, 130), 0.05),
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Grid:
    """How a grid is printed.

    Attributes:
        coarse_rgb, fine_rgb: colour of the 5 mm and the 1 mm lines; None for
            no such lines.
        coarse_mm, fine_mm: their widths; the diameter of dots.
        fine_style: "lines", "dots" (at the crossings of 1 mm), "dotted" (lines
            made of dots) or "dashed".
        coarse_dashed: whether the 5 mm lines are dashed.
        fine_stops: whether 1 mm dots leave out the 5 mm lines.
        frame_mm: width of a line around the grid; 0 for none.
    """

    coarse_rgb: tuple | None
    fine_rgb: tuple | None
    coarse_mm: float = 0.2
    fine_mm: float = 0.1
    fine_style: str = "lines"
    coarse_dashed: bool = False
    fine_stops: bool = False
    frame_mm: float = 0.0


def random_grid(rng):
    """Draw a `Grid`; about 1 in 60 pages has none."""
    shares = np.array([share for _, share in _COLOURS])
    coarse, _ = _COLOURS[rng.choice(len(_COLOURS), p=shares / shares.sum())]
    coarse = np.clip(np.array(coarse) + rng.normal(0, 14, 3), 0, 255)
    # From faint to saturated.
    coarse = 255 - (255 - coarse) * rng.uniform(0.35, 1.25)
    coarse = np.clip(coarse, 0, 235)
    fade = rng.uniform(0.0, 0.85)
    fine = coarse + fade * (255 - coarse)
    style = "lines"
    if rng.random() < 0.33:
        style = str(rng.choice(["dots", "dots", "dotted", "dashed"]))
    coarse, fine = (tuple(int(v) for v in rgb) for rgb in (coarse, fine))
    kind = rng.random()
    if kind < 0.05:
        coarse = None
    elif kind < 0.15:
        fine = None
    elif kind < 0.165:
        coarse = fine = None
    fine_mm = rng.uniform(0.06, 0.2)
    if style == "dots":
        fine_mm = rng.uniform(0.18, 0.4)
    return Grid(
        coarse,
        fine,
        float(rng.uniform(0.1, 0.4)),
        float(fine_mm),
        style,
        bool(rng.random() < 0.05),
        bool(rng.random() < 0.6),
        float(rng.uniform(0.15, 0.5)) if rng.random() < 0.3 else 0.0,
    )


def coverages(grid, x_edges_mm, y_edges_mm, rect_mm):
    """How much of each pixel the lines cover.

    Args:
        grid: `Grid`.
        x_edges_mm: left and right end of the picture's columns, and their
            number: (left, right, W).
        y_edges_mm: likewise of its rows, (top, bottom, H).
        rect_mm: left, top, right, bottom of what is ruled.

    Returns:
        (fine, coarse), each (H, W) uint8, 255 for all, or None for no line.
    """
    inside = [
        _boxes(*edges, np.array([(low + high) / 2]), high - low)
        for edges, low, high in (
            (x_edges_mm, rect_mm[0], rect_mm[2]),
            (y_edges_mm, rect_mm[1], rect_mm[3]),
        )
    ]
    fine = coarse = None
    if grid.fine_rgb is not None:
        every, width = FINE_GRID_MM, grid.fine_mm
        if grid.fine_style == "dots":
            skip = COARSE_GRID_MM if grid.fine_stops else None
            x = _lines(*x_edges_mm, every, width, skip)
            y = _lines(*y_edges_mm, every, width, skip)
            fine = np.outer(y * inside[1], x * inside[0])
        else:
            fine = _crossed(grid.fine_style, x_edges_mm, y_edges_mm, every,
                            width, inside)  # fmt: skip
    if grid.coarse_rgb is not None:
        style = "dashed" if grid.coarse_dashed else "lines"
        coarse = _crossed(style, x_edges_mm, y_edges_mm, COARSE_GRID_MM,
                          grid.coarse_mm, inside)  # fmt: skip
    if grid.frame_mm:
        left, top, right, bottom = rect_mm
        x = _boxes(*x_edges_mm, np.array([left, right]), grid.frame_mm)
        y = _boxes(*y_edges_mm, np.array([top, bottom]), grid.frame_mm)
        frame = np.maximum(
            np.outer(inside[1], x), np.outer(y, inside[0])
        ).astype(np.float32)
        base = coarse if coarse is not None else fine
        if base is not None:
            np.maximum(base, frame, out=base)
    return tuple(
        None if c is None else (255 * c + 0.5).astype(np.uint8)
        for c in (fine, coarse)
    )


def ruled(page, grid, fine, coarse, opacity=1.0):
    """A page with its grid printed on it.

    Args:
        page: (H, W, 3) uint8.
        grid: `Grid`, for its colours.
        fine, coarse: from `coverages`.
        opacity: 1 for lines that hide what is under them.
    """
    for rgb, cover in ((grid.fine_rgb, fine), (grid.coarse_rgb, coarse)):
        if rgb is None or cover is None:
            continue
        weight = cover.astype(np.float32) * np.float32(opacity / 255)
        colour = np.empty_like(page)
        colour[:] = rgb
        page = cv2.blendLinear(page, colour, 1 - weight, weight)
    return page


def _crossed(style, x_edges, y_edges, every, width, inside):
    """Lines in both directions, (H, W) float32 coverage."""
    x = (_lines(*x_edges, every, width) * inside[0]).astype(np.float32)
    y = (_lines(*y_edges, every, width) * inside[1]).astype(np.float32)
    along_x = along_y = None
    if style == "dotted":
        along_x = _lines(*x_edges, every / 2, width * 1.6)
        along_y = _lines(*y_edges, every / 2, width * 1.6)
    elif style == "dashed":
        dash = every / (2 if every < 2 else 5)
        along_x = _lines(*x_edges, dash, dash * 0.6)
        along_y = _lines(*y_edges, dash, dash * 0.6)
    if along_x is None:
        along_x, along_y = inside
    along_x = (along_x * inside[0]).astype(np.float32)
    along_y = (along_y * inside[1]).astype(np.float32)
    vertical, horizontal = np.outer(along_y, x), np.outer(y, along_x)
    return vertical + horizontal - vertical * horizontal


def _lines(low, high, n, every, width, skip=None):
    """Coverage of n pixels by lines at the multiples of `every` mm."""
    positions = np.arange(np.floor(low / every), np.ceil(high / every) + 1)
    if skip is not None:
        positions = positions[positions % round(skip / every) != 0]
    return _boxes(low, high, n, positions * every, width)


def _boxes(low, high, n, centres, width):
    """Exact share of each of n pixels that boxes of a width cover, (n,)."""
    scale = n / (high - low)
    starts = (centres - width / 2 - low) * scale
    stops = (centres + width / 2 - low) * scale

    def covered_until(edges):
        """Length of the boxes left of each edge, by their sorted ends."""
        before = np.searchsorted(starts, edges) - 1
        total = (stops - starts)[0] * np.maximum(before, 0)
        within = np.clip(
            np.minimum(edges, stops[before]) - starts[before], 0, None
        )
        return np.where(before < 0, 0.0, total + within)

    return np.diff(covered_until(np.arange(n + 1.0)))

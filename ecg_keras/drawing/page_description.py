"""A page of any maker, described: drawn from a generator of random numbers."""

import dataclasses

import cv2
import numpy as np

from ecg_keras.drawing.grid import Grid, random_grid
from ecg_keras.drawing.page_text import (
    Font,
    Text,
    header_lines,
    random_font,
    scale_line,
)
from ecg_keras.drawing.pose import Pose
from ecg_keras.drawing.random_layout import random_layout
from ecg_keras.page.printed_layout import PrintedLayout

# How pictures come about, and how often.
CAPTURES = (("file", 0.17), ("scan", 0.3), ("copy", 0.1), ("photo", 0.34),
            ("screen", 0.09))  # fmt: skip
# px per mm of strangers' pages: median 6.6, quartiles 4.7 and 7.9, 2.6 to 18.9.
MEDIAN_PX_PER_MM = 7.0
SPREAD_PX_PER_MM = 0.45  # of the logarithm
PX_PER_MM_RANGE = (2.4, 24.0)
# x and y scales differ by 1.5 to 13 % on 8 of 39 of them.
STRETCHED_SHARE = 0.2
MAX_STRETCH = 0.15
PART_SHARE = 0.4  # of pages of more px than that
_BUDGETS_PX = (2e6, 4e6, 8e6)


@dataclasses.dataclass(frozen=True)
class Ink:
    """Of traces, pulses and text.

    Attributes:
        rgb: (3,), 0 (dark) to 1.
        trace_mm: width of the traces.
        pulse_factor: width of pulses over that of traces.
        separator_mm: width of separators.
        text_rgb: of all print.
    """

    rgb: tuple
    trace_mm: float
    pulse_factor: float
    separator_mm: float
    text_rgb: tuple


@dataclasses.dataclass(frozen=True)
class PageDescription:
    """All that decides what a page shows and how its picture is taken.

    Attributes:
        layout: `PrintedLayout`.
        separator_style: "none", "tick", "dashes", "dotted", "line", "dashed".
        sheet_mm: left, top, right, bottom of the paper.
        ruled_mm: likewise of its grid.
        grid: `Grid`.
        grid_over: how much a grid that is printed over the traces hides
            them, 0 for one under them.
        paper_rgb: colour of the paper.
        ink: `Ink`.
        name_font: `Font` of lead names.
        texts: `Text`s.
        qr_mm: x, y and size of a QR code on white; None for none.
        boxes: (left, top, right, bottom, rgb) of logos and redactions.
        strokes: (x (n,), y (n,), width, rgb) in mm of marks by hand.
        torn: whether left and right ends are torn off a roll.
        wear: names of what befell the paper, see `any_page.WEAR`.
        strength: 0 (hardly to be seen) to 1 of wear, light and noise.
        capture: "file", "scan", "copy", "photo" or "screen".
        surface: what the paper lies on, one of `surfaces.KINDS`.
        pose: `Pose` of the picture before its quarter turns.
        quarter_turns: clockwise.
        jpeg_quality: 1 to 100, None for a lossless file.
    """

    layout: PrintedLayout
    separator_style: str
    sheet_mm: tuple
    ruled_mm: tuple
    grid: Grid
    grid_over: float
    paper_rgb: tuple
    ink: Ink
    name_font: Font
    texts: tuple
    qr_mm: tuple | None
    boxes: tuple
    strokes: tuple
    torn: bool
    wear: tuple
    strength: float
    capture: str
    surface: str
    pose: Pose
    quarter_turns: int
    jpeg_quality: int | None


def random_page(rng, layout=None, max_px=None):
    """Draw the description of a page.

    Args:
        rng: numpy Generator.
        layout: a `PrintedLayout`; drawn, too, if None.
        max_px: pixels of the picture at most (default: 2 to 8 million).

    Returns:
        `PageDescription`.
    """
    random, name_mm, separator_style = random_layout(rng)
    layout = layout or random
    capture = _pick(CAPTURES, rng)
    strength = float(rng.random())
    content = _grown(layout.bounds_mm, rng.uniform(3, 10, 4))
    texts, sheet, ruled, torn = _sheet(layout, content, rng)
    qr = None
    if rng.random() < 0.12:
        size = rng.uniform(9, 20)
        x = sheet[2] - size - rng.uniform(3, 12)
        qr = (float(x), float(sheet[1] + rng.uniform(3, 9)), float(size))
    n_strokes = int(rng.choice([0, 0, 0, 0, 1, 2]))
    boxes = tuple(_box(content, rng) for _ in range(rng.choice([0, 0, 0, 1])))
    pose = _pose(capture, content, sheet, strength, max_px, rng)
    turns = 0
    if capture in ("photo", "scan", "copy") and rng.random() < 0.14:
        turns = int(rng.integers(1, 4))
    return PageDescription(
        layout=layout,
        separator_style=separator_style,
        sheet_mm=sheet,
        ruled_mm=ruled,
        grid=random_grid(rng),
        grid_over=0.0 if rng.random() < 0.7 else float(rng.uniform(0.2, 0.9)),
        paper_rgb=_paper_rgb(capture, rng),
        ink=_ink(rng),
        name_font=dataclasses.replace(random_font(rng), size_mm=name_mm),
        texts=texts,
        qr_mm=qr,
        boxes=boxes,
        strokes=tuple(_stroke(content, rng) for _ in range(n_strokes)),
        torn=torn,
        wear=_wear(capture, rng),
        strength=strength,
        capture=capture,
        surface=str(rng.choice(["wood", "steel", "cloth", "plain", "paper"])),
        pose=pose,
        quarter_turns=turns,
        jpeg_quality=_jpeg_quality(capture, rng),
    )


def _pick(pairs, rng):
    values, shares = zip(*pairs, strict=True)
    shares = np.array(shares) / sum(shares)
    return values[rng.choice(len(values), p=shares)]


def _grown(bounds, margins):
    """Bounds with margins left, top, right, bottom added."""
    left, top, right, bottom = bounds
    return (
        float(left - margins[0]),
        float(top - margins[1]),
        float(right + margins[2]),
        float(bottom + margins[3]),
    )


def _sheet(layout, content, rng):
    """Texts, the sheet's and the grid's bounds, whether it is torn off."""
    kind = _pick(
        (("report", 0.4), ("roll", 0.35), ("full", 0.25)), rng
    )  # fmt: skip
    header_font = random_font(rng, 2.2, 4.2)
    lines = header_lines(rng) if rng.random() < 0.75 else []
    spacing = header_font.size_mm * rng.uniform(1.2, 1.6)
    n_columns = int(rng.integers(1, 4))
    per_column = -(-len(lines) // n_columns)
    header_mm = per_column * spacing + 4
    gains = [row.gain_mm_per_mv for row in layout.rows]
    gains = gains[0], gains[min(len(gains) - 1, 3)]
    leads = {row.segments[0].lead[0]: row.gain_mm_per_mv for row in layout.rows}
    if "V" in leads:
        gains = max(gains), leads["V"]
    footer = []
    if rng.random() < 0.7:
        footer = [scale_line(layout.speed_mm_per_s, gains, rng)]
    if kind == "report":
        margins = rng.uniform(4, 22, 4) + (0, header_mm, 0, 10)
        sheet = _grown(content, margins)
        sheet = _standard_size(sheet, rng)
        ruled = _whole_boxes(content, rng)
        if rng.random() < 0.25:
            ruled = _grown(sheet, -rng.uniform(0, 9, 4))
    elif kind == "roll":
        margins = rng.uniform((0, 2, 0, 2), (60, 25, 60, 20))
        sheet = ruled = _grown(content, margins)
        if rng.random() < 0.4:  # bare margins above and below, as fax paper
            ruled = (sheet[0], sheet[1] + 4.0, sheet[2], sheet[3] - 4.0)
    else:
        sheet = _grown(content, rng.uniform(2, 45, 4) + (0, header_mm, 0, 8))
        border = rng.uniform(0, 8) if rng.random() < 0.6 else 0.0
        ruled = _grown(sheet, [-border] * 4)
    texts = []
    top = sheet[1] + spacing + rng.uniform(1, 6)
    # Within the sheet's header, or (on rolls) on the grid beside the traces.
    for index, line in enumerate(lines):
        column, row = divmod(index, max(per_column, 1))
        x = sheet[0] + 5 + column * (sheet[2] - sheet[0]) / n_columns
        y = top + row * spacing
        if y < content[1] + 4 or rng.random() < 0.1:
            texts.append(Text(float(x), float(y), line, header_font))
    for line in footer:
        font = dataclasses.replace(header_font, size_mm=rng.uniform(2.0, 4.0))
        y = content[3] - rng.uniform(-4, 3)
        if rng.random() < 0.12:
            y = content[1] + rng.uniform(0, 4)
        texts.append(Text(content[0] + rng.uniform(0, 40), y, line, font))
    return tuple(texts), sheet, ruled, kind == "roll" and rng.random() < 0.7


def _standard_size(sheet, rng):
    """The smallest of the standard sizes that holds it, or its own."""
    left, top, right, bottom = sheet
    width, height = right - left, bottom - top
    sizes = [(297.0, 210.0), (279.4, 215.9), (210.0, 297.0), (215.9, 279.4)]
    fits = [s for s in sizes if s[0] >= width and s[1] >= height]
    if not fits or rng.random() < 0.3:
        return sheet
    size = fits[rng.integers(len(fits))]
    more_x, more_y = size[0] - width, size[1] - height
    across, down = rng.uniform(0.3, 0.7), rng.uniform(0.2, 0.8)
    return _grown(
        sheet,
        (more_x * across, more_y * down,
         more_x * (1 - across), more_y * (1 - down)),
    )  # fmt: skip


def _whole_boxes(bounds, rng):
    """Bounds moved out to 5 mm lines, mostly."""
    if rng.random() < 0.2:
        return bounds
    left, top, right, bottom = bounds
    return (
        5.0 * np.floor(left / 5),
        5.0 * np.floor(top / 5),
        5.0 * np.ceil(right / 5),
        5.0 * np.ceil(bottom / 5),
    )


def _paper_rgb(capture, rng):
    """White, mostly; tinted, or red paper."""
    draw = rng.random()
    if draw < 0.5:
        return (255, 255, 255)
    if draw < 0.6:
        return tuple(int(v) for v in rng.uniform(225, 255, 3))
    tints = ((255, 238, 240), (255, 228, 232), (250, 232, 215), (235, 250, 240),
             (245, 245, 235), (240, 232, 248), (235, 150, 150))  # fmt: skip
    shares = np.array([5, 3, 3, 1, 3, 2, 1], float)
    tint = np.array(tints[rng.choice(len(tints), p=shares / shares.sum())])
    return tuple(int(v) for v in np.clip(tint + rng.normal(0, 4, 3), 0, 255))


def _ink(rng):
    """Black mostly; blue, grey; from faint and thin to thick."""
    dark = float(rng.uniform(0, 0.25))
    rgb = np.full(3, dark)
    draw = rng.random()
    if draw < 0.10:
        rgb = np.array((0.1, 0.1, 0.35)) + rng.uniform(0, 0.15, 3)
    elif draw < 0.25:
        rgb = np.full(3, rng.uniform(0.25, 0.6))
    text = rgb if rng.random() < 0.7 else np.full(3, rng.uniform(0, 0.3))
    trace_mm = float(np.exp(rng.normal(np.log(0.28), 0.35)))
    return Ink(
        tuple(float(v) for v in rgb),
        float(np.clip(trace_mm, 0.12, 0.75)),
        float(rng.choice([1.0, 1.0, 1.4])),
        float(rng.uniform(0.2, 0.9)),
        tuple(float(v) for v in text),
    )


def _box(content, rng):
    """A logo or what hides a name."""
    left, top, right, _ = content
    x = rng.uniform(left, right - 30)
    y = top - rng.uniform(0, 15)
    rgb = (0, 0, 0) if rng.random() < 0.5 else rng.integers(60, 255, 3)
    return (
        float(x),
        float(y),
        float(x + rng.uniform(8, 40)),
        float(y + rng.uniform(4, 12)),
        tuple(int(v) for v in rgb),
    )


def _stroke(content, rng):
    """A mark by hand: a wobbly line, as letters, arrows and circles are."""
    n_points = int(rng.integers(20, 100))
    turns = np.cumsum(rng.normal(0, 0.25, n_points)) + rng.normal(0, 0.05)
    angle = rng.uniform(0, 2 * np.pi) + np.cumsum(turns) * 0.15
    step = rng.uniform(0.2, 0.8)
    x = rng.uniform(content[0], content[2]) + np.cumsum(step * np.cos(angle))
    y = rng.uniform(content[1], content[3]) + np.cumsum(step * np.sin(angle))
    rgb = (0.1, 0.15, float(rng.uniform(0.4, 0.8)))
    if rng.random() < 0.4:
        rgb = (float(rng.uniform(0, 0.9)), 0.1, 0.1)
    return x, y, float(rng.uniform(0.25, 0.8)), rgb


def _wear(capture, rng):
    """What befell the paper before its picture was taken."""
    if capture in ("file", "screen"):
        return ()
    wear = []
    if rng.random() < 0.8:
        wear.append("printed")
    for name, share in (("stained", 0.08), ("mouldy", 0.06), ("folded", 0.15),
                        ("soaked", 0.04), ("creased", 0.12)):  # fmt: skip
        if rng.random() < share:
            wear.append(name)
    return tuple(wear)


def _jpeg_quality(capture, rng):
    if capture in ("file", "scan", "copy") and rng.random() < 0.45:
        return None
    return int(rng.triangular(15, 85, 96))


def _pose(capture, content, sheet, strength, max_px, rng):
    """Where the page lies in its picture."""
    window = _window(capture, content, sheet, rng)
    stretch = 1.0
    if rng.random() < STRETCHED_SHARE and capture != "photo":
        stretch = np.exp(rng.uniform(-1, 1) * np.log(1 + MAX_STRETCH))
    scale = np.exp(rng.normal(np.log(MEDIAN_PX_PER_MM), SPREAD_PX_PER_MM))
    scale = np.clip(scale, *PX_PER_MM_RANGE)
    budget = max_px or _BUDGETS_PX[rng.choice(3, p=(0.65, 0.25, 0.1))]
    fitting = np.sqrt(budget / _area(window))
    if scale > 1.2 * fitting and rng.random() < PART_SHARE:
        # Finer than a whole page can be: a part of it fills the picture.
        window = _part(window, max(fitting / scale, 0.4), rng)
        fitting = np.sqrt(budget / _area(window))
    scale = min(scale, fitting)
    width_mm, height_mm = window[2] - window[0], window[3] - window[1]
    scales = scale * np.array([np.sqrt(stretch), 1 / np.sqrt(stretch)])
    size = (
        max(64, round(height_mm * scales[1])),
        max(64, round(width_mm * scales[0])),
    )
    to_px = np.diag([*scales, 1.0])
    to_px[:2, 2] = -scales * window[:2]
    middle = ((window[0] + window[2]) / 2, (window[1] + window[3]) / 2)
    if capture == "file":
        return Pose(size, to_px, middle_mm=middle)
    turn = rng.normal(0, 0.25 + 0.5 * strength)
    corners = 0.0
    if capture in ("photo", "screen"):
        turn = rng.normal(0, 0.5 + 2.0 * strength)
        corners = (0.003 + 0.02 * strength) * size[0]
    if rng.random() < 0.05:
        turn = rng.uniform(-15, 15)
    to_px = _turned(np.deg2rad(turn), corners, size, rng) @ to_px
    more = {"middle_mm": middle}
    if capture == "photo":
        more |= _curl(sheet, strength, rng)
        if rng.random() < 0.5:
            more["lens"] = float(rng.normal(0, 0.012))
    elif capture == "screen":
        more["lens"] = float(rng.normal(0, 0.01))
    elif rng.random() < 0.6:
        more["feed_axis"] = axis = int(rng.integers(2))
        more["feed_px"] = _feed(size[1 - axis], scales[axis], strength, rng)
    return Pose(size, to_px, **more)


def _area(bounds):
    return (bounds[2] - bounds[0]) * (bounds[3] - bounds[1])


def _part(bounds, share, rng):
    """A part of some bounds, that share of their width and height."""
    low, high = np.array(bounds[:2]), np.array(bounds[2:])
    size = share * (high - low)
    start = low + rng.uniform(0, 1, 2) * (high - low - size)
    return tuple(float(v) for v in (*start, *(start + size)))


def _window(capture, content, sheet, rng):
    """What of the paper the picture shows, bounds in mm."""
    width, height = content[2] - content[0], content[3] - content[1]
    unit = np.array([width, height, width, height])
    draw = rng.random()
    if draw < 0.4:
        return _grown(content, rng.uniform(-0.005, 0.05, 4) * unit)
    if draw < 0.52:  # cut off on some sides
        cut = rng.uniform(0.01, 0.15, 4) * (rng.random(4) < 0.4)
        margin = rng.uniform(0, 0.08, 4)
        return _grown(content, np.where(cut > 0, -cut, margin) * unit)
    width, height = sheet[2] - sheet[0], sheet[3] - sheet[1]
    unit = np.array([width, height, width, height])
    if draw < 0.9 or capture not in ("photo", "screen"):
        around = (-0.01, 0.03) if capture != "photo" else (-0.02, 0.12)
        return _grown(sheet, rng.uniform(*around, 4) * unit)
    return _grown(sheet, rng.uniform(0.05, 0.5, 4) * unit)


def _turned(turn, corners_px, size, rng):
    """(3, 3) px to px: turned about the middle, seen from aside."""
    height, width = size
    corners = np.array(
        [[0, 0], [width, 0], [width, height], [0, height]], np.float32
    )
    middle = np.array([width, height]) / 2
    rotation = np.array([
        [np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)],
    ])  # fmt: skip
    moved = (corners - middle) @ rotation.T + middle
    moved = moved + rng.normal(0, 1, (4, 2)) * corners_px
    return cv2.getPerspectiveTransform(corners, moved.astype(np.float32))


def _curl(sheet, strength, rng):
    """Waves of a curled sheet, and folds."""
    width = sheet[2] - sheet[0]
    height_mm = rng.uniform(0, 0.5 + 1.6 * strength)
    waves = []
    for _ in range(3):
        cycles = rng.uniform(0.3, 2.0) / width
        angle = rng.uniform(0, np.pi)
        shift = rng.normal(0, height_mm / 2, 2).clip(-2.5, 2.5)
        waves.append([
            *shift, cycles * np.cos(angle), cycles * np.sin(angle),
            rng.uniform(0, 2 * np.pi),
        ])  # fmt: skip
    folds = []
    if rng.random() < 0.25:
        for _ in range(rng.integers(1, 3)):
            at = rng.uniform(sheet[:2], sheet[2:])
            direction = rng.choice([0, np.pi / 2]) + rng.normal(0, 0.05)
            folds.append(
                [*at, direction, *rng.normal(0, 0.004 + 0.01 * strength, 2)]
            )
    return {
        "waves": np.array(waves),
        "folds": np.array(folds).reshape(-1, 5),
    }


def _feed(length_px, px_per_mm, strength, rng):
    """Where a px would lie and where it lies, (n, 2): slips of a scanner.

    As on a real scan: -9 px of 2200 (1.1 mm) within 300 px, most of it in the
    first half; slow drifts besides.
    """
    nodes = np.arange(-100.0, length_px + 100, 4.0)
    shift_mm = np.zeros(len(nodes))
    for _ in range(rng.choice([0, 1, 1, 2])):
        at = rng.uniform(0, length_px)
        reach = rng.uniform(2, 25) * px_per_mm
        amount = rng.normal(0, 0.3 + 0.9 * strength)
        shift_mm += amount * (1 - np.exp(-np.clip(nodes - at, 0, None) / reach))
    drift = rng.normal(0, 1, max(2, int(length_px / px_per_mm / 40) + 2))
    along = np.linspace(nodes[0], nodes[-1], len(drift))
    shift_mm += 0.15 * strength * np.interp(nodes, along, np.cumsum(drift))
    lies = nodes + shift_mm * px_per_mm
    # The paper never runs backwards.
    steps = np.maximum(np.diff(lies, prepend=lies[0] - 4), 0.4)
    lies = lies[0] + np.cumsum(steps) - steps[0]
    lies -= np.interp(length_px / 2, nodes, lies) - length_px / 2
    # Far beyond the picture the paper goes on straight.
    far = np.array([[nodes[0], lies[0]], [nodes[-1], lies[-1]]])
    far += np.array([[-1e5], [1e5]])
    inside = np.stack([nodes, lies], axis=1)
    return np.concatenate([far[:1], inside, far[1:]])

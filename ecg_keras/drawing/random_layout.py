"""Layouts of any kind, drawn at random: what is printed where, in mm."""

import dataclasses

import numpy as np

from ecg_keras.ecg.leads import DURATION_S, LEADS
from ecg_keras.page.printed_layout import PrintedLayout, Pulse, Row, Segment

LIMB, CHEST = LEADS[:6], LEADS[6:]
CABRERA = ("aVL", "I", "-aVR", "II", "aVF", "III")
# What each lead beyond the twelve is made of, to look like one: (lead, factor)
# pairs. Right-sided leads resemble V1, posterior ones V6.
BEYOND = {
    "V3R": (("V1", 0.7),),
    "V4R": (("V1", 0.45), ("V6", -0.05)),
    "V7": (("V6", 0.75),),
    "V8": (("V6", 0.55),),
    "V9": (("V6", 0.4),),
}

# (rows, columns, strips) and how often; the shares of 88 pages of strangers
# (3x4+1 a half, 3x4+3 and 6x2 a sixth each), rare ones more often.
_KINDS = (
    ("3x4", 0, 0.10), ("3x4", 1, 0.28), ("3x4", 2, 0.06), ("3x4", 3, 0.12),
    ("6x2", 0, 0.10), ("6x2", 1, 0.06), ("12x1", 0, 0.08), ("6x1", 0, 0.08),
    ("4x3", 0, 0.03), ("3x1", 0, 0.05), ("3x5", 0, 0.02), ("4x3", 1, 0.02),
)  # fmt: skip
_PITCH_MM = {
    "3x4": (18, 45), "6x2": (14, 32), "12x1": (12, 21), "6x1": (15, 36),
    "4x3": (16, 38), "3x1": (18, 45), "3x5": (18, 42),
}  # fmt: skip
_SPEEDS_MM_PER_S = ((25.0, 0.8), (50.0, 0.15), (12.5, 0.05))
_GAINS_MM_PER_MV = ((10.0, 0.76), (5.0, 0.12), (20.0, 0.08), (2.5, 0.04))
_STRIPS = (("II", 0.5), ("V1", 0.2), ("V5", 0.12), ("III", 0.04), ("V6", 0.03))
# Of 39 strangers' pages 30 have pulses left, 3 right, 6 none.
_PULSE_SIDES = (
    ("left", 0.58), ("right", 0.1), ("none", 0.14), ("both", 0.06),
    ("one", 0.08), ("columns", 0.04),
)  # fmt: skip
_SIMULTANEOUS_SHARE = 0.15
_CABRERA_SHARE = 0.1
_TWO_GAINS_SHARE = 0.04


@dataclasses.dataclass(frozen=True)
class _Names:
    """How lead names stand beside the beginnings of their traces."""

    where: str
    dx_mm: float
    dy_mm: float
    size_mm: float


def random_layout(rng):
    """Draw a layout.

    Args:
        rng: numpy Generator.

    Returns:
        (`PrintedLayout`, size of the lead names in mm, style of the
        separators). x = 0 is about the left end, y = 0 above the first row.
    """
    shares = np.array([share for _, _, share in _KINDS])
    kind, n_strips, _ = _KINDS[rng.choice(len(_KINDS), p=shares / shares.sum())]
    grid = _lead_grid(kind, rng)
    strips = _strips(n_strips, rng)
    n_columns = len(grid[0])
    speed = _pick(_SPEEDS_MM_PER_S, rng)
    gains = _gains(rng)
    column_s = _column_s(n_columns, speed, rng)
    simultaneous = n_columns > 1 and rng.random() < _SIMULTANEOUS_SHARE
    gap_mm = 0.0 if rng.random() < 0.7 else rng.uniform(0.5, 4.0)
    side = _pick(_PULSE_SIDES, rng)
    pulse_mm = _pulse_mm(speed, rng)
    if side == "columns":  # in the gaps
        gap_mm = pulse_mm + rng.uniform(1.5, 5.0)
    low, high = _PITCH_MM[kind]
    pitch = rng.uniform(low, high)
    ys = pitch * (0.7 + np.arange(len(grid)))
    strip_pitch = pitch * rng.uniform(0.7, 1.1) if rng.random() < 0.4 else pitch
    strip_pitch = max(strip_pitch, 12.0)
    ys = np.append(ys, ys[-1] + strip_pitch * (1 + np.arange(len(strips))))
    if rng.random() < 0.4:  # Zero lines on lines of the grid.
        ys = np.maximum.accumulate(np.round(ys / 5) * 5)
        ys[1:] += np.cumsum(5.0 * (np.diff(ys) < 11))
    names = _random_names(rng)
    x0 = rng.uniform(6, 16)
    rows = []
    for y, leads in zip(ys, [*grid, *((strip,) for strip in strips)],
                        strict=True):  # fmt: skip
        is_strip = len(leads) < n_columns
        width_s = column_s * n_columns if is_strip else column_s
        if is_strip and n_columns > 1:
            width_s = min(
                width_s + gap_mm * (n_columns - 1) / speed, DURATION_S
            )
        segments = []
        for column, lead in enumerate(leads):
            x = x0 + column * (column_s * speed + gap_mm)
            start_s = 0.0 if simultaneous else column * column_s
            name_at = None
            if names.where != "none":
                name_at = _name_at(names, lead, x, y)
            segments.append(
                Segment(lead, x, x + width_s * speed, start_s, name_at)
            )
        gain = gains[1] if leads[0] in CHEST else gains[0]
        rows.append(Row(float(y), gain, tuple(segments)))
    style, separators = _separators(rows, n_columns, pitch, rng)
    return PrintedLayout(
        _name(kind, strips, grid),
        speed,
        tuple(rows),
        _pulses(rows, side, pulse_mm, rng),
        separators,
        simultaneous,
    ), names.size_mm, style  # fmt: skip


def _pick(pairs, rng):
    values, shares = zip(*pairs, strict=True)
    shares = np.array(shares) / sum(shares)
    return values[rng.choice(len(values), p=shares)]


def _lead_grid(kind, rng):
    """Leads of the rows without strips."""
    limb = CABRERA if rng.random() < _CABRERA_SHARE else LIMB
    twelve = (*limb, *CHEST)
    if kind == "6x1":
        return [(lead,) for lead in (limb if rng.random() < 0.5 else CHEST)]
    if kind == "3x1":
        three = [
            ("I", "II", "III"), ("V1", "II", "V5"), ("V1", "V2", "V3"),
            ("II", "V2", "V5"), ("V4", "V5", "V6"), ("aVR", "aVL", "aVF"),
        ]  # fmt: skip
        return [(lead,) for lead in three[rng.integers(len(three))]]
    if kind == "3x5":
        more = list(BEYOND)
        chosen = sorted(rng.choice(len(more), 3, replace=False))
        twelve = (*twelve, *(more[index] for index in chosen))
    n_rows = int(kind.split("x")[0])
    columns = [
        twelve[start : start + n_rows]
        for start in range(0, len(twelve), n_rows)
    ]
    return list(zip(*columns, strict=True))


def _strips(n_strips, rng):
    if n_strips == 3 and rng.random() < 0.7:
        return ("V1", "II", "V5")
    strips = []
    while len(strips) < n_strips:
        lead = _pick(_STRIPS, rng)
        if rng.random() < 0.1:
            lead = LEADS[rng.integers(len(LEADS))]
        if lead not in strips:
            strips.append(lead)
    return tuple(strips)


def _gains(rng):
    """mm/mV of limb leads and of chest leads."""
    gain = _pick(_GAINS_MM_PER_MV, rng)
    if rng.random() < _TWO_GAINS_SHARE and gain >= 5:
        return gain, gain / 2
    return gain, gain


def _column_s(n_columns, speed, rng):
    """Seconds that a column shows: of a row of 125 to 280 mm, mostly."""
    row_s = DURATION_S
    if speed > 25 and rng.random() < 0.85:
        row_s = DURATION_S / 2  # as wide as at 25 mm/s
    if rng.random() < 0.25:  # Other devices' shares: 2.4 s, 2 s.
        row_s *= rng.uniform(0.7, 1.0)
    if n_columns == 1 and speed == 25 and rng.random() < 0.2:
        row_s *= 0.5
    return round(row_s / n_columns, 3 if rng.random() < 0.5 else 1)


def _random_names(rng):
    where = _pick(
        (("below", 0.3), ("above", 0.37), ("on", 0.08), ("left", 0.12),
         ("none", 0.05), ("beside", 0.08)), rng
    )  # fmt: skip
    return _Names(
        where,
        float(rng.uniform(-0.5, 2.5)),
        float(rng.uniform(3.5, 9.0)),
        float(rng.uniform(2.0, 4.6)),
    )


def _name_at(names, lead, x_mm, y_mm):
    half_width = 0.32 * names.size_mm * len(lead)
    if names.where == "left":
        return x_mm - half_width - abs(names.dx_mm), y_mm
    if names.where == "on":
        return x_mm + half_width + names.dx_mm, y_mm - 0.1 * names.dy_mm
    if names.where == "beside":  # above and before the trace
        return x_mm - 0.7 * half_width, y_mm - 0.7 * names.dy_mm
    down = {"below": 1, "above": -1}[names.where]
    return x_mm + half_width + names.dx_mm, y_mm + down * names.dy_mm


def _separators(rows, n_columns, pitch, rng):
    """A style, and (x, top, bottom) of each mark."""
    style = _pick(
        (("none", 0.3), ("tick", 0.25), ("dashes", 0.15), ("dotted", 0.15),
         ("line", 0.07), ("dashed", 0.08)), rng
    )  # fmt: skip
    body = [row for row in rows if len(row.segments) == n_columns]
    if style == "none" or n_columns == 1:
        return "none", ()
    also_first = rng.random() < 0.15
    marks = []
    xs = [segment.x_start_mm for segment in body[0].segments]
    for x in xs if also_first else xs[1:]:
        x = x - rng.uniform(0, 0.4)
        if style in ("tick", "dashes"):
            half = rng.uniform(2.0, 4.0) * (1 if style == "tick" else 1.8)
            marks += [
                (x, row.zero_y_mm - half, row.zero_y_mm + half) for row in body
            ]
        else:
            top = body[0].zero_y_mm - pitch * rng.uniform(0.3, 0.6)
            marks.append((x, top, body[-1].zero_y_mm + 0.4 * pitch))
    return style, tuple(marks)


def _pulse_mm(speed, rng):
    width_mm = 5.0 if speed == 25 or rng.random() < 0.5 else 0.2 * speed
    if rng.random() < 0.1:
        width_mm *= rng.choice([0.5, 0.8, 1.2])
    return float(width_mm)


def _pulses(rows, side, width_mm, rng):
    gap_mm = rng.uniform(0.0, 3.0)
    pulses = []

    def add(right_mm, row, down_mm=0.0):
        pulses.append(
            Pulse(
                float(right_mm - width_mm),
                float(right_mm),
                float(row.zero_y_mm + down_mm),
                row.gain_mm_per_mv,
            )
        )

    for row in rows:
        first, last = row.segments[0], row.segments[-1]
        if side in ("left", "both", "columns"):
            add(first.x_start_mm - gap_mm, row)
        if side in ("right", "both"):
            add(last.x_end_mm + gap_mm + width_mm, row)
        if side == "columns":
            for segment in row.segments[1:]:
                add(segment.x_start_mm - 0.7, row)
    if side == "one":
        # One for the page, beside any row or between two.
        row = rows[rng.integers(len(rows))]
        add(row.segments[0].x_start_mm - gap_mm, row, rng.choice([0, 6, -5]))
    return tuple(pulses)


def _name(kind, strips, grid):
    """As `3x4+1 (II)`; 6x1 pages say which leads they show."""
    name = kind
    if strips:
        name += f"+{len(strips)} ({', '.join(strips)})"
    if kind in ("6x1", "3x1"):
        name += f" ({', '.join(row[0] for row in grid)})"
    return name

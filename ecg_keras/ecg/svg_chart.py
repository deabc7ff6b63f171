"""Twelve leads on calibrated paper, as SVG: the charts of reports and the app.

Rows stand as on the page, at 25 mm/s and 10 mm/mV whatever the page's own
speed and gain; the strong lines of the grid are 0.2 s and 0.5 mV.
"""

import html
import math

import numpy as np

from ecg_keras.ecg.leads import LEADS, RATE_HZ
from ecg_keras.ecg.plotting import row_segments

MM_PER_S, MM_PER_MV = 25.0, 10.0
# A row reaches at least this far above and below its zero line, and so far
# beyond its trace, in mV.
LEAST_ABOVE_MV, LEAST_BELOW_MV, BEYOND_MV = 1.0, 0.5, 0.1
# A band reaches so many standard deviations to each side, and no more mV.
BAND_DEVIATIONS, MAX_BAND_MV = 2.0, 3.0
GRID_STEP_MM = 5.0
FINE_COLOUR, STRONG_COLOUR = "#fbe3e3", "#f0b8b8"
INK, BAND_COLOUR, LEFT_OUT_COLOUR = "#111", "#5b8def", "#999"


def svg_chart(
    signals_mv,
    rows=(),
    std_mv=None,
    rate_hz=RATE_HZ,
    px_per_mm=2.56,
    as_read_mv=None,
    fine_grid=False,
):
    """Draw signals row by row.

    Each lead has a `<rect class="lead">` with `data-lead`, and the times of
    its left and right edge in s as `data-start-s` and `data-stop-s`.

    Args:
        signals_mv: (12, T) mV, NaN where there is nothing to draw.
        rows: leads of each row, from left to right; without any, each lead has
            a row.
        std_mv: (12, T) mV, drawn as a band of two deviations to each side.
        rate_hz: samples a second.
        px_per_mm: scale.
        as_read_mv: (12, T) mV of which `signals_mv` leaves some out: they are
            drawn in grey.
        fine_grid: also draw lines of 0.04 s and 0.1 mV.

    Returns:
        str, an `<svg>` element.
    """
    whole_mv = signals_mv if as_read_mv is None else as_read_mv
    rows = rows or [(lead,) for lead in LEADS]
    px_per_s, px_per_mv = MM_PER_S * px_per_mm, MM_PER_MV * px_per_mm
    parts, top_px = [], 0.0
    for row in rows:
        segments = list(row_segments(row, whole_mv, rate_hz))
        above_mv, below_mv = _reach_mv(whole_mv, segments)
        zero_px = top_px + above_mv * px_per_mv
        height_px = (above_mv + below_mv) * px_per_mv
        for lead, start_s, samples in segments:
            index, left_px = LEADS.index(lead), start_s * px_per_s
            place = _Place(left_px, zero_px, px_per_s / rate_hz, px_per_mv)
            values = signals_mv[index, samples]
            if std_mv is not None:
                parts.append(_band(values, std_mv[index, samples], place))
            if as_read_mv is not None:
                out = np.where(
                    np.isnan(values), whole_mv[index, samples], np.nan
                )
                parts.append(_line(out, place, LEFT_OUT_COLOUR, "3 3"))
            parts.append(_line(values, place, INK))
            parts.append(
                f'<text x="{left_px + 3:.0f}" y="{top_px + 12:.0f}" '
                f'font-size="12" font-weight="bold">{html.escape(lead)}</text>'
            )
            width_px = len(values) * px_per_s / rate_hz
            parts.append(
                f'<rect class="lead" data-lead="{html.escape(lead)}" '
                f'data-start-s="{samples.start / rate_hz:.3f}" '
                f'data-stop-s="{samples.stop / rate_hz:.3f}" '
                f'x="{left_px:.1f}" y="{top_px:.1f}" width="{width_px:.1f}" '
                f'height="{height_px:.1f}" fill="none" pointer-events="all"/>'
            )
        top_px += height_px
    width = math.ceil(signals_mv.shape[1] / rate_hz * px_per_s)
    height = math.ceil(top_px)
    grid = ""
    if fine_grid:
        grid = _grid(width, height, px_per_mm, FINE_COLOUR)
    grid += _grid(width, height, GRID_STEP_MM * px_per_mm, STRONG_COLOUR)
    return (
        f'<svg class="chart" '
        f'width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif">'
        f"{grid}{''.join(parts)}</svg>"
    )


class _Place:
    """Where a lead's first sample and 0 mV are, and px a sample and a mV."""

    def __init__(self, left_px, zero_px, px_per_sample, px_per_mv):
        self.left_px, self.zero_px = left_px, zero_px
        self.px_per_sample, self.px_per_mv = px_per_sample, px_per_mv

    def xy(self, sample, value_mv):
        x = self.left_px + sample * self.px_per_sample
        return f"{x:.1f} {self.zero_px - value_mv * self.px_per_mv:.1f}"


def _reach_mv(signals_mv, segments):
    """How far a row reaches above and below 0 mV, in whole 0.5 mV."""
    highest, lowest = LEAST_ABOVE_MV - BEYOND_MV, BEYOND_MV - LEAST_BELOW_MV
    for lead, _, samples in segments:
        values = signals_mv[LEADS.index(lead), samples]
        values = values[np.isfinite(values)]
        if len(values):
            highest = max(highest, float(values.max()))
            lowest = min(lowest, float(values.min()))
    step_mv = GRID_STEP_MM / MM_PER_MV
    return tuple(
        math.ceil((mv + BEYOND_MV) / step_mv - 1e-6) * step_mv
        for mv in (highest, -lowest)
    )


def _grid(width, height, step_px, colour):
    x = np.arange(0, width, step_px)
    y = np.arange(0, height, step_px)
    lines = [f"M{a:.1f} 0V{height}" for a in x]
    lines += [f"M0 {b:.1f}H{width}" for b in y]
    return f'<path d="{"".join(lines)}" stroke="{colour}" stroke-width="0.5"/>'


def _line(values_mv, place, colour, dashes=None):
    """A path; of samples in one column of px the first and extremes."""
    points = []
    for run in _runs(np.isfinite(values_mv)):
        pen = "M"
        for group in _columns(run, place):
            values = values_mv[group]
            for k in sorted({0, int(values.argmin()), int(values.argmax())}):
                points.append(pen + place.xy(group[k], values[k]))
                pen = "L"
    if not points:
        return ""
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<path d="{"".join(points)}" fill="none" stroke="{colour}" '
        f'stroke-width="0.9" stroke-linejoin="round"{dashed}/>'
    )


def _band(values_mv, std_mv, place):
    """The area between a trace less and plus its deviations."""
    reach_mv = np.minimum(BAND_DEVIATIONS * std_mv, MAX_BAND_MV)
    areas = []
    for run in _runs(np.isfinite(values_mv) & np.isfinite(std_mv)):
        over, under = [], []
        for group in _columns(run, place):
            over.append((group[0], (values_mv + reach_mv)[group].max()))
            under.append((group[0], (values_mv - reach_mv)[group].min()))
        corners = [place.xy(*point) for point in (*over, *under[::-1])]
        areas.append(f"M{'L'.join(corners)}Z")
    if not areas:
        return ""
    return (
        f'<path class="band" d="{"".join(areas)}" fill="{BAND_COLOUR}" '
        'fill-opacity="0.3"/>'
    )


def _runs(shown):
    """Arrays of indices that follow each other where `shown` is true."""
    indices = np.flatnonzero(shown)
    cuts = np.flatnonzero(np.diff(indices) > 1) + 1
    return [run for run in np.split(indices, cuts) if len(run)]


def _columns(run, place):
    """A run's indices, those of one px along x together."""
    columns = np.floor(run * place.px_per_sample)
    return np.split(run, np.flatnonzero(np.diff(columns)) + 1)

"""Signals to the clean page that is printed; the competition's type 0001."""

import dataclasses

import numpy as np
from matplotlib.font_manager import FontProperties

from ecg_keras.drawing.canvas import (
    COARSE_COLOUR,
    FINE_COLOUR,
    FONT,
    Canvas,
    blank_page,
)
from ecg_keras.ecg.leads import LEADS
from ecg_keras.page.layouts import COMPETITION, Layout
from ecg_keras.page.paper import (
    CALIBRATION_PULSE_MV,
    CALIBRATION_PULSE_S,
    TICK_HEIGHT_PX,
    TICK_WIDTH_PX,
)

# Measured on pages drawn by the competition's generator.
PULSE_WIDTH_PX = 3.0
MAX_INK_GREY = 0.2  # each page has one grey between 0 and this
NAME_BELOW_ZERO_PX = 53.5
PAPER_SPEED_PLACE = (393, 1661)
GAIN_PLACE = (786, 1661)


@dataclasses.dataclass(frozen=True)
class Header:
    """The text on top of a page; empty parts are not written."""

    id: str = ""
    date: str = ""
    age_years: int | None = None
    height_cm: int | None = None
    sex: str = ""


@dataclasses.dataclass(frozen=True)
class Style:
    """How a page looks; by default as the competition's.

    Attributes:
        layout: `layouts.Layout`.
        ink: grey or RGB, 0 (black) to 1, of traces, pulses and ticks.
        trace_width_px: width of the traces.
        coarse_colour, fine_colour: RGB of the grid's lines; None for none.
        font: Matplotlib's `FontProperties` of all text.
        names: where lead names stand: "below", "above" or "none".
        ticks: whether ticks separate the columns.
        pulse: side of the calibration pulse: "left", "right" or "none".
        notes: (x, y, text) of more text.
        strokes: (x, y, width_px, ink) of marks by hand.
    """

    layout: Layout = COMPETITION
    ink: float | tuple = 0.1
    trace_width_px: float = 2.22
    coarse_colour: tuple | None = COARSE_COLOUR
    fine_colour: tuple | None = FINE_COLOUR
    font: FontProperties = FONT
    names: str = "below"
    ticks: bool = True
    pulse: str = "left"
    notes: tuple = ()
    strokes: tuple = ()


def render_page(table_mv, rate_hz, header=None, style=None):
    """Draw a page; by default the competition's, type 0001.

    Args:
        table_mv: (12, 10 x rate_hz) mV, NaN where not printed.
        rate_hz: samples a second.
        header: a `Header`, or None.
        style: a `Style`, or None for the competition's.

    Returns:
        (1700, 2200, 3) uint8 RGB.
    """
    style = style or Style()
    layout = style.layout
    canvas = Canvas(blank_page(style.coarse_colour, style.fine_colour))
    for row, leads in enumerate(layout.rows):
        if style.pulse != "none":
            pulse = _pulse_px(layout, row, rate_hz, style.pulse)
            canvas.line(*pulse, PULSE_WIDTH_PX, style.ink)
        for column, lead in enumerate(leads):
            _draw_column_start(canvas, style, row, column, lead)
    for _, x, y in trace_points(table_mv, rate_hz, layout):
        canvas.line(x, y, style.trace_width_px, style.ink)
    for stroke in style.strokes:
        canvas.line(*stroke)
    scale = (
        (*PAPER_SPEED_PLACE, f"{layout.speed_mm_per_s:g}mm/s"),
        (*GAIN_PLACE, f"{layout.gain_mm_per_mv:g}mm/mV"),
    )
    for text in (*scale, *style.notes, *_header_texts(header)):
        canvas.text(*text, style.font)
    return canvas.image()


def trace_points(table_mv, rate_hz, layout=COMPETITION):
    """Where each trace lies on the page.

    Args:
        table_mv: (12, 10 x rate_hz) mV, NaN where not printed.
        rate_hz: samples a second.
        layout: `layouts.Layout` of the page.

    Returns:
        list of (lead, x, y): traces in page px, one point for each sample,
        row by row. Of the competition's 13, lead II is there twice, the
        rhythm strip last.
    """
    table_mv = np.asarray(table_mv, np.float64)
    n_samples = table_mv.shape[1]
    traces = []
    for row, leads in enumerate(layout.rows):
        for column, lead in enumerate(leads):
            values = table_mv[LEADS.index(lead)]
            index = np.flatnonzero(np.isfinite(values))
            start, stop = layout.column_stretch(row, column, n_samples)
            if layout.has_strip(lead) and len(leads) > 1:
                # Beside its strip only the part of its column is printed.
                index = index[(start <= index) & (index < stop)]
            # The first sample is printed where the column starts, though at
            # 1025 Hz its own time may be half a sample earlier.
            column_start_s = column * layout.column_s(row)
            x = layout.x_px(column_start_s + (index - start) / rate_hz)
            traces.append((lead, x, layout.y_px(values[index], row)))
    return traces


def _draw_column_start(canvas, style, row, column, lead):
    """The tick between two columns and the name of the lead that follows."""
    layout = style.layout
    x = layout.x_px(column * layout.column_s(row))
    y = layout.zero_mv_y_px[row]
    if column and style.ticks:
        half = TICK_HEIGHT_PX / 2
        canvas.line([x, x], [y - half, y + half], TICK_WIDTH_PX, style.ink)
    if style.names != "none":
        down = {"below": 1, "above": -1.2}[style.names]
        canvas.text(x, y + down * NAME_BELOW_ZERO_PX, lead, style.font)


def _pulse_px(layout, row, rate_hz, side):
    """The calibration pulse before t = 0; its width is whole samples."""
    n_samples = int(np.ceil(CALIBRATION_PULSE_S * rate_hz))
    first_s = 1 / rate_hz - CALIBRATION_PULSE_S
    if side == "right":
        first_s = layout.row_s
    times_s = first_s + np.array([0, 1, n_samples, n_samples + 1]) / rate_hz
    levels_mv = CALIBRATION_PULSE_MV * np.array([0, 1, 1, 0])
    return layout.x_px(times_s), layout.y_px(levels_mv, row)


def _header_texts(header):
    """(x, y, text) of what stands on top of the page."""
    if header is None:
        return []
    age, height = header.age_years, header.height_cm
    texts = [
        (12, 46, header.id and f"ID: {header.id}"),
        (12, 86, age is not None and f"Age: {age} yrs"),
        (12, 125, header.sex and f"Sex: {header.sex}"),
        (600, 46, "Name:"),
        (600, 86, height is not None and f"Height: {height} cm"),
        (1190, 46, header.date and f"Date: {header.date}"),
    ]
    return [text for text in texts if text[2]]

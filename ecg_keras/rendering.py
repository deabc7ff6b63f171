"""Signals to the page that the competition prints, type 0001."""

import dataclasses

import numpy as np

from ecg_keras.leads import (
    LEADS,
    PAGE_ROWS,
    QUARTER_S,
    RHYTHM_LEAD,
    printed_stretch,
)
from ecg_keras.page_drawing import Canvas, blank_page
from ecg_keras.paper import (
    CALIBRATION_PULSE_MV,
    CALIBRATION_PULSE_S,
    N_ROWS,
    ZERO_MV_Y_PX,
    x_px,
    y_px,
)

# Measured on pages drawn by the competition's generator.
TRACE_WIDTH_PX = 2.22
PULSE_WIDTH_PX = 3.0
TICK_WIDTH_PX = 5.8
TICK_HEIGHT_PX = 50.0
MAX_INK_GREY = 0.2  # each page has one grey between 0 and this
NAME_BELOW_ZERO_PX = 53.5
PAPER_SPEED_TEXT = (393, 1661, "25mm/s")
GAIN_TEXT = (786, 1661, "10mm/mV")


@dataclasses.dataclass(frozen=True)
class Header:
    """The text on top of a page; empty parts are not written."""

    id: str = ""
    date: str = ""
    age_years: int | None = None
    height_cm: int | None = None
    sex: str = ""


def render_page(table_mv, rate_hz, header=None, ink_grey=0.1):
    """Draw the competition's page, type 0001.

    Args:
        table_mv: (12, 10 x rate_hz) mV, NaN where not printed.
        rate_hz: samples a second.
        header: a `Header`, or None.
        ink_grey: 0 (black) to 1 of traces, pulses and ticks.

    Returns:
        (1700, 2200, 3) uint8 RGB.
    """
    canvas = Canvas(blank_page())
    for row in range(N_ROWS):
        canvas.line(*_pulse_px(row, rate_hz), PULSE_WIDTH_PX, ink_grey)
    for row, leads in enumerate(PAGE_ROWS):
        for quarter, lead in enumerate(leads):
            x = x_px(quarter * QUARTER_S)
            if quarter:
                half = TICK_HEIGHT_PX / 2
                y = ZERO_MV_Y_PX[row]
                canvas.line(
                    [x, x], [y - half, y + half], TICK_WIDTH_PX, ink_grey
                )
            canvas.text(x, ZERO_MV_Y_PX[row] + NAME_BELOW_ZERO_PX, lead)
    rhythm_y = ZERO_MV_Y_PX[-1] + NAME_BELOW_ZERO_PX
    canvas.text(x_px(0), rhythm_y, RHYTHM_LEAD)
    for _, x, y in trace_points(table_mv, rate_hz):
        canvas.line(x, y, TRACE_WIDTH_PX, ink_grey)
    for text in (PAPER_SPEED_TEXT, GAIN_TEXT, *_header_texts(header)):
        canvas.text(*text)
    return canvas.image()


def trace_points(table_mv, rate_hz):
    """Where each trace lies on the page.

    Args:
        table_mv: (12, 10 x rate_hz) mV, NaN where not printed.
        rate_hz: samples a second.

    Returns:
        list of (lead, x, y): 13 traces in page px, one point for each sample,
        row by row; lead II is there twice, the rhythm strip last.
    """
    table_mv = np.asarray(table_mv, np.float64)
    n_samples = table_mv.shape[1]
    traces = []
    for row, leads in enumerate((*PAGE_ROWS, (RHYTHM_LEAD,))):
        for quarter, lead in enumerate(leads):
            values = table_mv[LEADS.index(lead)]
            index = np.flatnonzero(np.isfinite(values))
            if lead == RHYTHM_LEAD and len(leads) > 1:
                # On its own row only the part of its column is printed.
                start, stop = printed_stretch(PAGE_ROWS[0][quarter], n_samples)
                index = index[(start <= index) & (index < stop)]
            x = x_px(index / rate_hz)
            traces.append((lead, x, y_px(values[index], row)))
    return traces


def _pulse_px(row, rate_hz):
    """The calibration pulse before t = 0; its width is whole samples."""
    n_samples = int(np.ceil(CALIBRATION_PULSE_S * rate_hz))
    first_s = 1 / rate_hz - CALIBRATION_PULSE_S
    times_s = first_s + np.array([0, 1, n_samples, n_samples + 1]) / rate_hz
    levels_mv = CALIBRATION_PULSE_MV * np.array([0, 1, 1, 0])
    return x_px(times_s), y_px(levels_mv, row)


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

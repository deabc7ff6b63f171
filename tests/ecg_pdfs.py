"""PDFs of ECGs with the trace as paths, as devices write them."""

import numpy as np
from reportlab.lib.units import mm
from reportlab.pdfgen import canvas

from ecg_keras.ecg.leads import LEADS

ROWS_3X4 = (
    ("I", "aVR", "V1", "V4"),
    ("II", "aVL", "V2", "V5"),
    ("III", "aVF", "V3", "V6"),
    ("II",),
)
ROWS_6X1 = tuple((lead,) for lead in LEADS[:6])
LEFT_MM, TOP_MM, PITCH_MM = 25, 55, 30


def write_pdf(
    path,
    signals_mv,
    rows=ROWS_3X4,
    construction="lead",
    speed_mm_per_s=25,
    gain_mm_per_mv=10,
    rate_hz=500,
    name_offset_mm=(1, 8),
    turned_deg=0,
    grid="lines",
    pulse=True,
    text=None,
    scale=1.0,
    round_pt=None,
):
    """Draw a page and return what it shows.

    Args:
        path: PDF to write.
        signals_mv: (12, T) mV at 500 Hz.
        rows: leads of each row, from left to right.
        construction: "lead", one path for each; "row", one for all of a row,
            which begins with its pulse; "stretch", one for each 0.4 s; "line",
            one for each two samples; "form", as "lead" within a form.
        rate_hz: of the device: every 500 / rate_hz-th sample is drawn.
        name_offset_mm: of lead names from the beginning of the trace at 0 mV.
        turned_deg: turn of all that is on the page.
        grid: "lines" or "none".
        pulse: draw one before each row.
        text: what is printed below, by default speed and gain.
        scale: size of the page in its own mm.
        round_pt: points to which the coordinates of paths are rounded.

    Returns:
        (12, T) mV, NaN where the page shows nothing.
    """
    width, height = 297 * scale, 210 * scale
    size = (width, height) if turned_deg % 180 == 0 else (height, width)
    page = canvas.Canvas(str(path), pagesize=(size[0] * mm, size[1] * mm))
    page.translate(size[0] * mm / 2, size[1] * mm / 2)
    page.rotate(turned_deg)
    page.translate(-width * mm / 2, -height * mm / 2)
    page.scale(scale, scale)
    page.setFont("Helvetica", 14)
    page.drawString(20 * mm, 195 * mm, "Name: Test Person   I. floor, room V1b")
    if grid == "lines":
        _draw_grid(page)
    shown = np.full(signals_mv.shape, np.nan)
    page.setStrokeColorRGB(0, 0, 0)
    page.setLineWidth(0.6)
    step = 500 // rate_hz
    for k, leads in enumerate(rows):
        zero_mm = 210 - TOP_MM - PITCH_MM * k * 4 / max(len(rows), 4)
        width_samples = signals_mv.shape[1] // len(leads)
        points = []
        for column, lead in enumerate(leads):
            start = column * width_samples
            samples = np.arange(start, start + width_samples, step)
            values = signals_mv[LEADS.index(lead), samples]
            stop = samples[-1] + 1
            shown[LEADS.index(lead), start:stop] = signals_mv[
                LEADS.index(lead), start:stop
            ]
            x = LEFT_MM + samples / 500 * speed_mm_per_s
            y = zero_mm + values * gain_mm_per_mv
            points.append(np.stack([x, y], axis=1))
            dx, dy = name_offset_mm
            page.setFont("Helvetica", 9)
            page.drawString(x[0] * mm + dx * mm, (zero_mm + dy) * mm, lead)
        foot = np.array(
            [[12, 0], [14, 0], [14, 1], [19, 1], [19, 0], [21, 0]], float
        )
        foot[:, 1] = zero_mm + foot[:, 1] * gain_mm_per_mv
        if construction == "row":
            before = [foot] if pulse else []
            row = np.concatenate([*before, *points])
            _draw_path(page, row, round_pt)
            continue
        if pulse:
            _draw_path(page, foot, round_pt)
        if construction == "form":
            page.beginForm(f"row{k}")
        for xy in points:
            cuts = {"stretch": 200, "line": 1}.get(construction, len(xy))
            for start in range(0, len(xy) - 1, cuts):
                _draw_path(page, xy[start : start + cuts + 1], round_pt)
        if construction == "form":
            page.endForm()
            page.doForm(f"row{k}")
    page.setFont("Helvetica", 9)
    words = f"{speed_mm_per_s} mm/s   {gain_mm_per_mv} mm/mV   0.05-150 Hz"
    page.drawString(20 * mm, 8 * mm, words if text is None else text)
    page.showPage()
    page.save()
    return shown


def _draw_path(page, xy_mm, round_pt):
    xy_pt = xy_mm * mm
    if round_pt:
        xy_pt = np.round(xy_pt / round_pt) * round_pt
    path = page.beginPath()
    path.moveTo(*xy_pt[0])
    for x, y in xy_pt[1:]:
        path.lineTo(x, y)
    page.drawPath(path)


def _draw_grid(page):
    for k in range(0, 261):
        page.setStrokeColorRGB(1, 0.7 if k % 5 else 0.5, 0.7)
        page.setLineWidth(0.1 if k % 5 else 0.3)
        page.line((15 + k) * mm, 15 * mm, (15 + k) * mm, 180 * mm)
    for k in range(0, 166):
        page.line(15 * mm, (15 + k) * mm, 275 * mm, (15 + k) * mm)

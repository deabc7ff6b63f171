"""What is written on pages beside the traces: headers, footers, notes."""

import dataclasses
import re

import cv2
import numpy as np
from matplotlib.font_manager import FontProperties

from ecg_keras.drawing.canvas import (
    POINTS_PER_INCH,
    Canvas,
    stroke_text_size,
)
from ecg_keras.page.paper import DPI

_HERSHEY = {
    "Hershey simplex": cv2.FONT_HERSHEY_SIMPLEX,
    "Hershey duplex": cv2.FONT_HERSHEY_DUPLEX,
    "Hershey complex": cv2.FONT_HERSHEY_COMPLEX,
    "Hershey plain": cv2.FONT_HERSHEY_PLAIN,
}
# A number and its unit, as "10.0 mm/mV" or "25mm/sec".
_SCALE = re.compile(r"(\d+(?:[.,]\d+)?) ?mm/(mV|s)")
# Letters are half so high as an em square above their base line.
_HALF_HIGH = 0.35
FONT_FAMILIES = (
    "DejaVu Sans", "DejaVu Sans Mono", "DejaVu Serif", "STIXGeneral",
    "cmss10", "cmr10", "cmtt10", *_HERSHEY,
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Font:
    """A font of Matplotlib's wheel, or a stroke font of OpenCV's.

    Attributes:
        family: one of `FONT_FAMILIES`.
        size_mm: height of its em square.
        bold: whether it is bold.
    """

    family: str
    size_mm: float
    bold: bool = False


@dataclasses.dataclass(frozen=True)
class Text:
    """A line of print; its base line starts at x, y in mm."""

    x_mm: float
    y_mm: float
    text: str
    font: Font


def random_font(rng, low_mm=2.0, high_mm=5.0):
    """Draw a `Font`; sans and Times-like ones are the most common."""
    shares = np.array([5, 1, 1, 4, 1, 1, 1, 2, 1, 1, 1], float)
    family = FONT_FAMILIES[rng.choice(len(shares), p=shares / shares.sum())]
    size_mm = float(rng.uniform(low_mm, high_mm))
    # Computer Modern is there in one weight each.
    bold = rng.random() < 0.25 and not family.startswith("cm")
    return Font(family, size_mm, bool(bold))


def write(canvas, x_px, y_px, text, font, size_px, ink, centred=False):
    """Print text; its base line starts at a point or its middle lies there.

    Args:
        canvas: `canvas.Canvas`.
        x_px, y_px: the point.
        text: one line.
        font: `Font`; its `size_mm` is not used.
        size_px: height of an em square.
        ink: grey or RGB, 0 (black) to 1.
        centred: whether it is the middle.
    """
    if font.family in _HERSHEY:
        canvas.stroke_text(x_px, y_px, text, _HERSHEY[font.family], size_px,
                           1 + font.bold, ink, centred)  # fmt: skip
        return
    properties = _properties(font, size_px)
    if centred:
        width, height = canvas.text_size(text, properties)
        x_px, y_px = x_px - width / 2, y_px + height / 2
    canvas.text(x_px, y_px, text, properties, ink)


def scales_at_mm(text, size_px, px_per_mm):
    """What a `Text` tells of speed and gain, and where.

    Args:
        text: the `Text`.
        size_px, px_per_mm: how high an em square is, and px along x: small
            letters stand on whole pixels.

    Returns:
        list of (words, x, y): words as "25 mm/s"; x in mm where their number
        ends, y halfway up.
    """
    return [
        (
            f"{float(found[1].replace(',', '.')):g} mm/{found[2]}",
            text.x_mm
            + width_px(text.text[: found.end(1)], text.font, size_px)
            / px_per_mm,
            text.y_mm - _HALF_HIGH * text.font.size_mm,
        )
        for found in _SCALE.finditer(text.text)
    ]


def width_px(text, font, size_px):
    """How wide text is that `write` prints with the same arguments."""
    if font.family in _HERSHEY:
        face, width = _HERSHEY[font.family], 1 + font.bold
        return stroke_text_size(text, face, size_px, width)[0]
    return Canvas(np.zeros((1, 1, 3), np.uint8)).text_size(
        text, _properties(font, size_px)
    )[0]


def _properties(font, size_px):
    """Matplotlib's of a font, for an em square of so many px."""
    return FontProperties(
        family=font.family,
        size=max(1.0, size_px * POINTS_PER_INCH / DPI),
        weight="bold" if font.bold else "normal",
    )


def header_lines(rng):
    """Lines of an invented patient and of measurements, one in a string."""
    year, month, day = rng.integers((1992, 1, 1), (2026, 13, 29))
    rate = int(rng.integers(40, 150))
    qt, qtc = rng.integers(300, 480, 2)
    choices = [
        f"ID: {rng.integers(10**7)}", "Name:",
        f"Age: {rng.integers(1, 99)} yrs",
        f"Date: {year}-{month:02d}-{day:02d}",
        f"{day:02d}.{month:02d}.{year} {rng.integers(24):02d}:"
        f"{rng.integers(60):02d}", "Sex: Male", "Female",
        f"Vent. rate   {rate} BPM", f"HR {rate}/min", f"HF {rate} /min",
        f"PR interval  {rng.integers(100, 260)} ms",
        f"QRS duration {rng.integers(70, 180)} ms", f"QT/QTc  {qt}/{qtc} ms",
        f"P-R-T axes  {rng.integers(90)} {rng.integers(-40, 110)} "
        f"{rng.integers(90)}", "Sinus rhythm", "Normal sinus rhythm",
        "Abnormal ECG", "Normal ECG", "Left axis deviation",
        "*** Poor data quality, interpretation may be adversely affected",
        "Unconfirmed diagnosis", "Referred by:", "Technician: MJ", "Room: 12",
        "Loc: 3", "12-lead resting ECG", "Possible left atrial enlargement",
        f"RR {rng.integers(400, 1500)} ms", f"BP: {rng.integers(95, 180)}/80",
    ]  # fmt: skip
    n_lines = int(rng.integers(2, 14))
    return [choices[i] for i in rng.choice(len(choices), n_lines)]


def scale_line(speed_mm_per_s, gains_mm_per_mv, rng):
    """A footer that tells speed and gain as they are, in a device's words."""
    speed = f"{speed_mm_per_s:g}"
    limb, chest = (f"{gain:g}" for gain in gains_mm_per_mv)
    if limb != chest:
        gain = f"Limb: {limb} mm/mV  Chest: {chest} mm/mV"
    else:
        gain = str(
            rng.choice([f"{limb} mm/mV", f"{limb}mm/mV", f"{limb}.0 mm/mV"])
        )
    pace = str(rng.choice([
        f"{speed} mm/s", f"{speed}mm/s", f"{speed} mm/sec", f"{speed}mm/sec"
    ]))  # fmt: skip
    more = str(rng.choice([
        "", "0.05-150 Hz", "150Hz", "0.15 - 40 Hz  AC 50 Hz", "F 60~ 0.5-40 Hz",
        "~ 0.05 - 100 Hz", "10.1.3  12SL 237  CID: 0", "ADS  50Hz  0.01-40Hz",
    ]))  # fmt: skip
    parts = [pace, gain, more]
    if rng.random() < 0.15:
        parts = [more, pace, gain]
    return str(rng.choice(["  ", "    ", ", "])).join(p for p in parts if p)

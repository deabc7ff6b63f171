"""Names of leads, speeds and gains, and what is printed like them, as ink."""

import functools

import cv2
import numpy as np

from ecg_keras.drawing.canvas import Canvas
from ecg_keras.drawing.page_text import (
    FONT_FAMILIES,
    Font,
    header_lines,
    width_px,
    write,
)

# Height of an em square, px.
EM_PX = 64
# How devices spell leads besides the usual way.
SPELLINGS = {
    "I": ("I", "I", "I", "DI"),
    "II": ("II", "II", "II", "DII"),
    "III": ("III", "III", "III", "DIII"),
    "aVR": ("aVR", "aVR", "aVR", "AVR", "avR", "aVr", "-aVR", "VR"),
    "aVL": ("aVL", "aVL", "aVL", "AVL", "avL", "aVl", "VL"),
    "aVF": ("aVF", "aVF", "aVF", "AVF", "avF", "aVf", "VF"),
    **{f"V{n}": (*[f"V{n}"] * 6, f"v{n}", f"C{n}") for n in range(1, 7)},
}
OTHER_LEADS = ("V3R", "V4R", "V5R", "V6R", "V7", "V8", "V9")
# What is no lead's name, though it looks like one.
UNLIKE = (
    "V", "aV", "R", "L", "F", "1", "2", "3", "4", "5", "6", "10", "11", "25",
    "mV", "mm", "Hz", "mm/mV", "mm/s", "1mV", "IV", "25 Hz", "0.15-40 Hz",
    "50 Hz", "10 s", "25 ms", "2.5 s", "10 mm", "5 mV", "100 Hz", "~50Hz",
    "AV", "QRS", "QT", "PR", "HR", "ms", "bpm", "ID", "Name", "Age", "60~",
    "x1", "-", "+", "*", "^", "VE", "N", "S", "A", "l", "/", "0.5",
)  # fmt: skip


HEADERS_SHARE = 0.3
# What stands before and between a speed's or a gain's number and its unit.
BEFORE_SPEED = ("", "", "", "Speed: ", "Speed ", "V: ", "Paper: ")
BEFORE_GAIN = ("", "", "", "Gain: ", "Limb: ", "Chest: ", "C: ", "A: ")
MM = ("mm/", "mm/", " mm/", " mm/", " mm / ")


def random_stamp(rng, word=None):
    """The picture of a word, in a font drawn at random.

    Args:
        rng: numpy Generator.
        word: one of `LEADS`, "other" for another lead, or a speed or a gain as
            "25 mm/s"; None: none of these.

    Returns:
        ((h, w) float32, 0 to 1: how much ink there is, of `EM_PX` high letters;
        x in it of its middle, or of where its number ends).
    """
    family = str(rng.choice(FONT_FAMILIES))
    bold = bool(rng.random() < 0.4 and not family.startswith("cm"))
    if word is not None and "mm/" in word:
        text, number = _spelled_scale(word, rng)
        x = width_px(number, Font(family, 0.0, bold), EM_PX)
        return _stamp(text, family, bold), x
    words = OTHER_LEADS if word == "other" else SPELLINGS.get(word, UNLIKE)
    if word is None and rng.random() < HEADERS_SHARE:
        words = header_lines(rng)
    stamp = _stamp(str(rng.choice(words)), family, bold)
    return stamp, stamp.shape[1] / 2


def _spelled_scale(word, rng):
    """How a device may write a speed or a gain; the part up to its number."""
    number, unit = word.split(" mm/")
    if unit == "s":
        before = rng.choice(BEFORE_SPEED)
        unit = rng.choice(["s", "s", "sec", "Sec", "s."])
    else:
        before = rng.choice(BEFORE_GAIN)
        unit = rng.choice(["mV", "mV", "mV", "mv"])
    if "." not in number and rng.random() < 0.35:
        number += ".0"
    if rng.random() < 0.2:
        number = number.replace(".", ",")
    start = f"{before}{number}"
    return f"{start}{rng.choice(MM)}{unit}", start


@functools.cache
def _stamp(text, family, bold):
    white = np.full((2 * EM_PX, EM_PX * (len(text) + 2), 3), 255, np.uint8)
    canvas = Canvas(white)
    font = Font(family, 0.0, bold)
    write(canvas, EM_PX, 1.4 * EM_PX, text, font, EM_PX, 0.0)
    ink = 1 - canvas.image()[..., 0] / np.float32(255)
    left, top, width, height = cv2.boundingRect((ink > 0.1).astype(np.uint8))
    return ink[top : top + height, left : left + width]

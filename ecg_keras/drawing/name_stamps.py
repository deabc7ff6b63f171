"""Names of leads, and what is printed like them, as small pictures of ink."""

import functools

import cv2
import numpy as np

from ecg_keras.drawing.canvas import Canvas
from ecg_keras.drawing.page_text import FONT_FAMILIES, Font, write

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
    "mV", "mm", "Hz", "mm/mV", "mm/s", "25 mm/s", "10 mm/mV", "1mV", "IV",
    "AV", "QRS", "QT", "PR", "HR", "ms", "bpm", "ID", "Name", "Age", "60~",
    "x1", "-", "+", "*", "^", "VE", "N", "S", "A", "l", "/", "0.5",
)  # fmt: skip


def random_stamp(rng, lead=None):
    """A name's picture, in a font drawn at random.

    Args:
        rng: numpy Generator.
        lead: one of `LEADS`, "other" for another lead; None: no name at all.

    Returns:
        (h, w) float32, 0 to 1: how much ink there is, of `EM_PX` high letters.
    """
    words = OTHER_LEADS if lead == "other" else SPELLINGS.get(lead, UNLIKE)
    family = str(rng.choice(FONT_FAMILIES))
    bold = rng.random() < 0.4 and not family.startswith("cm")
    return _stamp(str(rng.choice(words)), family, bool(bold))


@functools.cache
def _stamp(text, family, bold):
    white = np.full((2 * EM_PX, EM_PX * (len(text) + 2), 3), 255, np.uint8)
    canvas = Canvas(white)
    font = Font(family, 0.0, bold)
    write(canvas, EM_PX, 1.4 * EM_PX, text, font, EM_PX, 0.0)
    ink = 1 - canvas.image()[..., 0] / np.float32(255)
    left, top, width, height = cv2.boundingRect((ink > 0.1).astype(np.uint8))
    return ink[top : top + height, left : left + width]

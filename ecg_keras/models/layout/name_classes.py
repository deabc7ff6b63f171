"""What the name network tells of a place on a page, without Keras."""

from ecg_keras.ecg.leads import LEADS
from ecg_keras.models.layout.straight_page import PX_PER_MM

# What a place shows: nothing of these, one of the twelve leads, another lead,
# such as V4R, or a speed or a gain.
LEAD_CLASSES = (*LEADS, "other")
SCALES = (
    "12.5 mm/s", "25 mm/s", "50 mm/s",
    "2.5 mm/mV", "5 mm/mV", "10 mm/mV", "20 mm/mV",
)  # fmt: skip
CLASSES = ("none", *LEAD_CLASSES, *SCALES)
# A cell is a mm.
CELL_PX = PX_PER_MM

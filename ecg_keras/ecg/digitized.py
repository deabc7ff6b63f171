"""A digitised page: the signals, and all that is said about them."""

import dataclasses

import numpy as np

from ecg_keras.ecg.leads import LEADS, RATE_HZ

# The surest first.
QUALITIES = GOOD, DOUBTFUL, REFUSED = "good", "doubtful", "refused"
FROM_IMAGE, FROM_VECTOR = "image", "vector"


@dataclasses.dataclass(frozen=True)
class DigitizedEcg:
    """What was read on one page.

    Attributes:
        signals_mv: (12, T) float32 mV at 500 Hz, in the order of `LEADS`; NaN
            where the page prints nothing or nothing could be read.
        std_mv: (12, T) mV, the standard deviation of each sample, or None.
        layout: what cardiologists call it, as "3x4+1"; None if unknown.
        speed_mm_per_s, gain_mm_per_mv: of the paper; None if unknown.
        rows: leads of each row of the page, from left to right.
        traces_box: left, top, right and bottom of the part of the picture that
            holds all traces and no header, as shares of its width and height;
            None if unknown.
        quality: "good", "doubtful" or "refused".
        reasons: tuple of str, why it is not good.
        read_by: name of the model.
        source: "image", or "vector" for the paths of a PDF.
    """

    signals_mv: np.ndarray
    std_mv: np.ndarray | None = None
    layout: str | None = None
    speed_mm_per_s: float | None = None
    gain_mm_per_mv: float | None = None
    rows: tuple = ()
    traces_box: tuple | None = None
    quality: str = GOOD
    reasons: tuple = ()
    read_by: str = ""
    source: str = FROM_IMAGE

    @property
    def rank(self):
        """Place of its quality, 0 for the surest."""
        return QUALITIES.index(self.quality)

    def doubted(self, reasons):
        """See the function `doubted`."""
        return doubted(self, reasons)

    def summary(self):
        """All but the samples, as a dict that JSON takes.

        `leads` says, in s from the page's first sample, where each lead is
        shown; a lead that is not shown is not named. `traces_box` says where
        they lie on the page.
        """
        leads = {}
        for lead, values in zip(LEADS, self.signals_mv, strict=True):
            shown = np.flatnonzero(np.isfinite(values))
            if len(shown):
                leads[lead] = {
                    "start_s": float(shown[0] / RATE_HZ),
                    "stop_s": float((shown[-1] + 1) / RATE_HZ),
                }
        return {
            "unit": "mV",
            "layout": self.layout,
            "speed_mm_per_s": self.speed_mm_per_s,
            "gain_mm_per_mv": self.gain_mm_per_mv,
            "rows": [list(row) for row in self.rows],
            "leads": leads,
            "traces_box": self.traces_box and list(self.traces_box),
            "quality": self.quality,
            "reasons": list(self.reasons),
            "source": self.source,
            "model": self.read_by,
        }


def doubted(found, reasons):
    """What was found, not good any more where there are reasons.

    Args:
        found: a dataclass with `quality` and `reasons`.
        reasons: sequence of str, put before its own.
    """
    if not reasons:
        return found
    quality = DOUBTFUL if found.quality == GOOD else found.quality
    reasons = (*reasons, *found.reasons)
    return dataclasses.replace(found, quality=quality, reasons=reasons)

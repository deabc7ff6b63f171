"""How pages arrange their leads: rows, columns, paper speed and gain."""

import dataclasses

from ecg_keras.ecg.leads import DURATION_S, LEADS, PAGE_ROWS, ROWS
from ecg_keras.page.paper import (
    GAIN_MM_PER_MV,
    PAPER_SPEED_MM_PER_S,
    PX_PER_MM,
    TIME_ZERO_X_PX,
    ZERO_MV_Y_PX,
)
from ecg_keras.page.printed_layout import evenly_printed


@dataclasses.dataclass(frozen=True)
class Layout:
    """What stands where on a page. All rows are as long as 10 s at 25 mm/s.

    Attributes:
        name: what cardiologists call it.
        rows: leads of each row, from left to right; a row of one lead is a
            rhythm strip.
        zero_mv_y_px: where 0 mV lies on each row.
        speed_mm_per_s, gain_mm_per_mv: of the paper.
    """

    name: str
    rows: tuple
    zero_mv_y_px: tuple
    speed_mm_per_s: float = PAPER_SPEED_MM_PER_S
    gain_mm_per_mv: float = GAIN_MM_PER_MV

    @property
    def row_s(self):
        """Seconds that a row shows."""
        return DURATION_S * PAPER_SPEED_MM_PER_S / self.speed_mm_per_s

    def column_s(self, row):
        """Seconds that one lead of a row is shown for."""
        return self.row_s / len(self.rows[row])

    def x_px(self, time_s):
        """Page x of a time in s from the start of the row."""
        return TIME_ZERO_X_PX + time_s * self.speed_mm_per_s * PX_PER_MM

    def y_px(self, voltage_mv, row):
        """Page y of a voltage in mV on a row."""
        height_px = voltage_mv * self.gain_mm_per_mv * PX_PER_MM
        return self.zero_mv_y_px[row] - height_px

    def column_stretch(self, row, column, n_samples):
        """(start, stop), samples of 10 s of `n_samples`.

        Start and length are rounded down, see `leads.printed_stretch`.
        """
        n_columns = len(self.rows[row])
        shown = n_samples * self.row_s / DURATION_S
        start = int(shown * column / n_columns)
        return start, min(n_samples, start + int(shown / n_columns))

    def stretch(self, lead, n_samples):
        """(start, stop), the samples of a lead that the page shows."""
        columns = [
            (len(leads), row, leads.index(lead))
            for row, leads in enumerate(self.rows)
            if lead in leads
        ]
        _, row, column = min(columns)  # The strip shows most.
        return self.column_stretch(row, column, n_samples)

    def printed(self):
        """The same as a `PrintedLayout`: mm from the page's corner."""
        row_mm = self.row_s * self.speed_mm_per_s
        return evenly_printed(
            self.name,
            self.rows,
            [y_px / PX_PER_MM for y_px in self.zero_mv_y_px],
            TIME_ZERO_X_PX / PX_PER_MM,
            row_mm / max(len(leads) for leads in self.rows),
            self.speed_mm_per_s,
            self.gain_mm_per_mv,
        )

    @classmethod
    def from_dict(cls, values):
        """The inverse of `dataclasses.asdict`, of lists as well as tuples."""
        tuples = {
            "rows": tuple(tuple(leads) for leads in values["rows"]),
            "zero_mv_y_px": tuple(values["zero_mv_y_px"]),
        }
        return cls(**{**values, **tuples})

    def has_strip(self, lead):
        """Whether a lead has a row of its own."""
        return (lead,) in self.rows


COMPETITION = Layout("3x4+1", ROWS, ZERO_MV_Y_PX)

# Rows of other layouts stand between these, px.
_TOP_PX, _BOTTOM_PX = 330, 1560


def _evenly(name, rows):
    pitch = (_BOTTOM_PX - _TOP_PX) / len(rows)
    ys = tuple(_TOP_PX + pitch * (row + 0.5) for row in range(len(rows)))
    return Layout(name, rows, ys)


OTHERS = (
    _evenly("3x4", PAGE_ROWS),
    _evenly("3x4+3", (*PAGE_ROWS, ("V1",), ("II",), ("V5",))),
    _evenly("6x2", tuple(zip(LEADS[:6], LEADS[6:], strict=True))),
    _evenly("12x1", tuple((lead,) for lead in LEADS)),
)

"""What is printed where on a page, in mm of the paper: any layout.

mm count from a crossing of the grid, x along the rows and y down, as in
`paper_map.PaperMap`.
"""

import dataclasses
import math

import numpy as np

from ecg_keras.ecg.leads import RATE_HZ


@dataclasses.dataclass(frozen=True)
class Segment:
    """One lead on one row, from where it begins to where it ends.

    Attributes:
        lead: a name from `leads.LEADS`, "-aVR", or one beyond the twelve.
        x_start_mm, x_end_mm: first and last point of the trace.
        time_start_s: time of the first point, in the recording.
        name_at_mm: x and y of the middle of its printed name; None where it
            has no name.
    """

    lead: str
    x_start_mm: float
    x_end_mm: float
    time_start_s: float
    name_at_mm: tuple | None = None

    @property
    def width_mm(self):
        return self.x_end_mm - self.x_start_mm


@dataclasses.dataclass(frozen=True)
class Row:
    """Segments side by side about one line of 0 mV.

    Attributes:
        zero_y_mm: where 0 mV lies.
        gain_mm_per_mv: of this row's traces.
        segments: `Segment`s from left to right.
    """

    zero_y_mm: float
    gain_mm_per_mv: float
    segments: tuple

    @property
    def x_start_mm(self):
        return self.segments[0].x_start_mm

    @property
    def x_end_mm(self):
        return self.segments[-1].x_end_mm


@dataclasses.dataclass(frozen=True)
class Pulse:
    """A calibration pulse of 1 mV.

    Attributes:
        x_start_mm, x_end_mm: its rising and its falling edge.
        zero_y_mm: its foot.
        height_mm: 1 mV.
    """

    x_start_mm: float
    x_end_mm: float
    zero_y_mm: float
    height_mm: float


@dataclasses.dataclass(frozen=True)
class PrintedLayout:
    """What a page shows.

    Attributes:
        name: such as "3x4+1 (II)": rows x columns + strips (their leads).
        speed_mm_per_s: paper speed.
        rows: `Row`s from the top down.
        pulses: `Pulse`s.
        separators: (x, y of the top, y of the bottom) in mm of marks between
            columns.
        simultaneous: whether all columns show the same seconds; None where
            a page does not tell: their times follow each other, then.
        scales_at_mm: (words, x, y) of what is written of speed and gain, as
            "25 mm/s": where its number ends, halfway up.
    """

    name: str
    speed_mm_per_s: float
    rows: tuple
    pulses: tuple = ()
    separators: tuple = ()
    simultaneous: bool | None = False
    scales_at_mm: tuple = ()

    @property
    def duration_s(self):
        """Seconds from t = 0 to the end of the last lead."""
        return max(
            segment.time_start_s + segment.width_mm / self.speed_mm_per_s
            for row in self.rows
            for segment in row.segments
        )

    @property
    def n_samples(self):
        """Samples at 500 Hz of a record of all that the page shows."""
        return math.floor(self.duration_s * RATE_HZ + 0.5)

    def with_speed(self, speed_mm_per_s):
        """The same print, taken to be of another paper speed."""
        shorter = self.speed_mm_per_s / speed_mm_per_s
        rows = tuple(
            dataclasses.replace(
                row,
                segments=tuple(
                    dataclasses.replace(
                        segment, time_start_s=segment.time_start_s * shorter
                    )
                    for segment in row.segments
                ),
            )
            for row in self.rows
        )
        return dataclasses.replace(
            self, rows=rows, speed_mm_per_s=speed_mm_per_s
        )

    def to_dict(self):
        """Plain lists and dicts, for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values):
        """The inverse of `to_dict`.

        Raises:
            ValueError: a speed or a gain is not above 0.
        """
        scales = [row["gain_mm_per_mv"] for row in values["rows"]]
        for scale in (values["speed_mm_per_s"], *scales):
            if not scale > 0:
                raise ValueError(
                    f"expected a speed and gains above 0. Received: {scale}"
                )
        rows = tuple(
            Row(
                row["zero_y_mm"],
                row["gain_mm_per_mv"],
                tuple(_segment(values) for values in row["segments"]),
            )
            for row in values["rows"]
        )
        pulses = tuple(Pulse(**pulse) for pulse in values["pulses"])
        separators = tuple(tuple(mark) for mark in values["separators"])
        return cls(
            values["name"],
            values["speed_mm_per_s"],
            rows,
            pulses,
            separators,
            values["simultaneous"],
            tuple(tuple(words) for words in values.get("scales_at_mm", ())),
        )

    @property
    def bounds_mm(self):
        """Left, top, right, bottom of traces and pulses, by 0 mV and 1 mV."""
        segments = [s for row in self.rows for s in row.segments]
        xs = [s.x_start_mm for s in segments] + [s.x_end_mm for s in segments]
        xs += [p.x_start_mm for p in self.pulses]
        xs += [p.x_end_mm for p in self.pulses]
        tops = [row.zero_y_mm - row.gain_mm_per_mv for row in self.rows]
        bottoms = [row.zero_y_mm + row.gain_mm_per_mv for row in self.rows]
        return min(xs), min(tops), max(xs), max(bottoms)


def others_away_mm(rows, index):
    """How far below one of a page's rows the other rows' lines lie, each."""
    own = rows[index].zero_y_mm
    others = (*rows[:index], *rows[index + 1 :])
    return [other.zero_y_mm - own for other in others]


def evenly_printed(
    name, rows, zero_y_mm, x_start_mm, column_mm, speed_mm_per_s=25.0,
    gain_mm_per_mv=10.0, simultaneous=False, strip_end_mm=None,
):  # fmt: skip
    """A page whose columns are all as wide.

    Args:
        name: see `PrintedLayout`.
        rows: for each row the names of its leads, from left to right; a row of
            one lead is as long as all columns.
        zero_y_mm: for each row where 0 mV lies.
        x_start_mm, column_mm: where the first column begins; their width.
        speed_mm_per_s, gain_mm_per_mv, simultaneous: of the page.
        strip_end_mm: where rows of one lead end, if not with the last column.
    """
    n_columns = max(len(leads) for leads in rows)
    end_mm = strip_end_mm or x_start_mm + n_columns * column_mm
    printed = []
    for leads, y in zip(rows, zero_y_mm, strict=True):
        edges = x_start_mm + column_mm * np.arange(len(leads) + 1)
        if len(leads) == 1:
            edges = np.array([x_start_mm, end_mm])
        times = column_mm * np.arange(len(edges)) / speed_mm_per_s
        if simultaneous:
            times = np.zeros(len(edges))
        segments = tuple(
            Segment(lead, float(edges[k]), float(edges[k + 1]), float(times[k]))
            for k, lead in enumerate(leads)
        )
        printed.append(Row(float(y), gain_mm_per_mv, segments))
    return PrintedLayout(
        name, speed_mm_per_s, tuple(printed), simultaneous=simultaneous
    )


def _segment(values):
    name_at = values["name_at_mm"]
    return Segment(
        values["lead"],
        values["x_start_mm"],
        values["x_end_mm"],
        values["time_start_s"],
        None if name_at is None else tuple(name_at),
    )

"""What is printed where on a page, in mm of the paper: any layout.

mm count from a crossing of the grid, x along the rows and y down, as in
`paper_map.PaperMap`.
"""

import dataclasses


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
        simultaneous: whether all columns show the same seconds.
    """

    name: str
    speed_mm_per_s: float
    rows: tuple
    pulses: tuple = ()
    separators: tuple = ()
    simultaneous: bool = False

    def to_dict(self):
        """Plain lists and dicts, for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values):
        """The inverse of `to_dict`."""
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


def _segment(values):
    name_at = values["name_at_mm"]
    return Segment(
        values["lead"],
        values["x_start_mm"],
        values["x_end_mm"],
        values["time_start_s"],
        None if name_at is None else tuple(name_at),
    )

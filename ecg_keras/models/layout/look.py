"""A look at a picture, with its paper turned some way: what is printed where.

picture, PaperMap -> straightened page, its rows, pulses and names
    -> rows read -> the kinds of pages that they may be
    -> the `PrintedLayout` of the likeliest
"""

import copy
import dataclasses
import functools

import numpy as np

from ecg_keras.models.layout import find, trace_edges
from ecg_keras.models.layout.beats import rows_with_beats
from ecg_keras.models.layout.column_times import with_times
from ecg_keras.models.layout.columns import USUAL_ROW_MM, trace_ends
from ecg_keras.models.layout.lead_names import Names, find_names
from ecg_keras.models.layout.named_rows import with_named_rows
from ecg_keras.models.layout.pulses import find_pulses, gaps_with_pulses
from ecg_keras.models.layout.row_heights import read_whole_rows
from ecg_keras.models.layout.scale import find_scale
from ecg_keras.models.layout.separators import find_gaps, find_separators
from ecg_keras.models.layout.straight_page import straighten
from ecg_keras.models.layout.trace_rows import find_rows
from ecg_keras.page.row_images import not_finer_than

# Rows beyond this are no ECG's.
MOST_ROWS = 16
# Where gaps make columns wider than usual, strips end before columns do by more
# than this share of what the gaps take.
GAPS_SHARE = 0.5
BEGINNING_LOST = (
    "the picture begins within the traces: how much was before is not known"
)
COLUMNS_UNUSUAL = (
    "columns begin with a pulse and are of no usual width: when each begins is "
    "not sure"
)
# Devices print so many columns either way.
EITHER_WAY_COLUMNS = (2, 3, 5)
SAME_SECONDS_UNKNOWN = (
    "nothing tells whether all columns show the same seconds: each is taken to "
    "follow the one before it"
)
# Traces that go on for more mm after their leads show more than these.
MOST_UNREAD_MM = 8.0
# Of a page that is the right way up so many leads' names are read, where they
# are printed.
UPRIGHT_NAMES = 3
# And its pulses stand so near to their rows' zero lines, mm.
UPRIGHT_OFF_MM = 3.0


class Look:
    """A picture, looked at with its paper turned some way.

    Args:
        image: (H, W, 3) uint8 RGB.
        paper_map: its `PaperMap`.
        networks: `networks.Networks`.
        given: `Given`, what the user says of it.

    Attributes:
        page: its `StraightPage`.
        rows: list of `trace_rows.TraceRow`.
        pulses: list of `pulses.FoundPulse`.
        pulse_gaps: see `pulses.gaps_with_pulses`.
    """

    def __init__(self, image, paper_map, networks, given):
        self.image, self.paper_map = image, paper_map
        self.networks, self.given = networks, given
        self.page = straighten(image, paper_map)
        self.rows = find_rows(self.page)
        self.pulses = []
        if len(self.rows) <= MOST_ROWS:
            self.rows = with_named_rows(self.page, self.rows, self.names)
            self.pulses = find_pulses(self.page, self.rows)
        self.pulse_gaps = gaps_with_pulses(self.page, self.pulses)
        self.candidates = []

    @functools.cached_property
    def names(self):
        """The `Names` of leads that are printed."""
        return Names(self.words)

    @functools.cached_property
    def words(self):
        """`FoundName`s of all that the name network reads."""
        if self.networks.names is None:
            return []
        return find_names(self.page, self.networks.names)

    @property
    def likely(self):
        """How likely this is upright, by rows, pulses and names alone."""
        shown = sum(
            row.coverage * (row.x_end_mm - row.x_start_mm) for row in self.rows
        )
        # Upside down there are pulses, too, but few names.
        return shown / 250 + 2 * len(self.pulses) + self.n_named

    @property
    def n_named(self):
        """Of how many leads the names are read."""
        return len(self.names.sure_leads)

    @property
    def feet_off_mm(self):
        """How far pulses stand off their rows' zero lines."""
        off = [p.foot_y_mm - self.rows[p.row].zero_y_mm for p in self.pulses]
        return float(np.median(np.abs(off))) if off else np.inf

    @property
    def may_be_upside_down(self):
        """Whether pulses alone tell which way up it is: they are pulses
        upside down, too, though of other rows.
        """
        return self.n_named < UPRIGHT_NAMES or self.feet_off_mm > UPRIGHT_OFF_MM

    def is_more_upright_than(self, look):
        """Whether names, or the feet of pulses, tell for this one of two."""
        if self.n_named >= look.n_named + UPRIGHT_NAMES:
            return True
        return self.feet_off_mm < min(UPRIGHT_OFF_MM, look.feet_off_mm / 2)

    @property
    def is_likely(self):
        """Whether other ways to turn the paper need not be looked at."""
        return bool(self.rows) and bool(self.pulses)

    @property
    def leads_heights(self):
        """`RowHeights` of the rows that show leads."""
        best = self.candidates[0]
        return self.heights[best.first_row :][: len(best.rows)]

    @property
    def agreement(self):
        return self.candidates[0].agreement if self.candidates else -np.inf

    def match(self, kinds, image, paper_map):
        """Read the rows and find which of some kinds of pages they may be.

        Args:
            kinds: `known_layouts.KnownLayout`s.
            image, paper_map: where rows are read: the picture, or its page
                without its grid.
        """
        self.read_rows(image, paper_map)
        self.leave_out_lines()
        self.ends = trace_ends(self.rows, self.pulses, self.page)
        marks = find_separators(self.page, self.heights, self.pulses)
        gaps = self.pulse_gaps or find_gaps(self.page, self.heights)
        self.candidates = find.candidates(
            self.heights, self.ends, kinds, marks, gaps, self.names
        )

    def read_rows(self, image, paper_map):
        """Read the rows, each as if it were one lead; see `match`."""
        self.heights = read_whole_rows(
            *not_finer_than(image, paper_map),
            self.rows,
            self.pulses,
            self.networks,
        )

    def leave_out_lines(self):
        """Leave out rows that show no beats: frames, letters, paper's edges.

        Those with a pulse or a name show other seconds.
        """
        sure = {pulse.row for pulse in self.pulses}
        sure |= self.names.named_rows(
            [(row.x_start_mm, row.zero_y_mm) for row in self.rows]
        )
        kept = rows_with_beats(self.heights, sure)
        if len(kept) == len(self.rows):
            return
        self.rows = [self.rows[k] for k in kept]
        self.heights = [self.heights[k] for k in kept]
        self.pulses = [
            dataclasses.replace(pulse, row=kept.index(pulse.row))
            for pulse in self.pulses
        ]

    def with_whole_rows(self, image):
        """The same look, where rows are 250 mm long; see `trace_edges`."""
        best = self.candidates[0]
        rows = self.leads_heights
        _, whole = best.kind.parted(rows)
        first_mm, length_mm = best.x_start_mm, best.marked_row_mm
        if length_mm is not None and self.marks_tell_gaps(length_mm):
            return self
        if length_mm is None:
            found = trace_edges.whole_rows(
                image, self.paper_map, rows, whole, first_mm, best.x_end_mm
            )
            if found is None:
                return self
            first_mm, length_mm = found
        look = copy.copy(self)
        as_printed = dataclasses.replace(best, x_start_mm=first_mm)
        if length_mm is not None:
            as_printed = dataclasses.replace(
                as_printed, x_end_mm=first_mm + USUAL_ROW_MM
            )
        if length_mm in (None, USUAL_ROW_MM):
            look.candidates = [as_printed, *self.candidates[1:]]
            return look
        factor = length_mm / USUAL_ROW_MM
        look.paper_map = self.paper_map.stretched(first_mm, factor)
        look.page = straighten(image, look.paper_map)

        def moved(found, **more):
            start, end = (
                first_mm + (x - first_mm) / factor
                for x in (found.x_start_mm, found.x_end_mm)
            )
            return dataclasses.replace(
                found, x_start_mm=start, x_end_mm=end, **more
            )

        look.names = self.names.stretched(first_mm, factor)
        look.rows = [moved(row) for row in self.rows]
        look.pulses = [moved(pulse) for pulse in self.pulses]
        look.pulse_gaps = gaps_with_pulses(look.page, look.pulses)
        look.candidates = [
            moved(candidate, column_mm=candidate.column_mm / factor)
            for candidate in self.candidates
        ]
        if best.marked_row_mm is None:
            # Its columns are as wide as devices print them by these mm.
            look.candidates[0] = as_printed
        look.read_rows(image, look.paper_map)
        return look

    def marks_tell_gaps(self, length_mm):
        """Whether gaps are why marks are wider apart than usual: no paper ran
        fast where strips are shorter than columns, or where columns show the
        same seconds, of which nothing tells how long their mm are.

        Args:
            length_mm: how long a row of 10 s would be by marks.
        """
        best = self.candidates[0]
        several, strips = best.kind.parted(self.leads_heights)
        if not strips:
            return False
        columns_mm, strips_mm = (
            np.median([row.x_end_mm for row in own])
            for own in (several, strips)
        )
        over_mm = length_mm - USUAL_ROW_MM
        if columns_mm - strips_mm > GAPS_SHARE * over_mm > 0:
            return True
        return bool(find.simultaneous(best, self.heights))

    def printed_layout(self):
        """What is printed where, of the likeliest kind of page.

        Returns:
            (`PrintedLayout`, tuple of doubts).
        """
        best = self.candidates[0]
        speed, gain, doubts = find_scale(
            self.given,
            self.words,
            self.pulses,
            best.tells_speed,
            self.heights,
            (best.x_start_mm, best.x_end_mm),
            len(best.rows),
        )
        if find.lost_beginning(best, self.ends):
            doubts = (*doubts, BEGINNING_LOST)
        layout = find.printed_layout(
            best, self.heights, self.pulses, speed, gain
        )
        n_columns = best.kind.n_columns
        if layout.simultaneous is None and n_columns in EITHER_WAY_COLUMNS:
            doubts = (*doubts, SAME_SECONDS_UNKNOWN)
        unread_mm = self.ends.x_end_mm - max(r.x_end_mm for r in layout.rows)
        if unread_mm > MOST_UNREAD_MM:
            doubts = (
                *doubts,
                f"traces go on for {unread_mm:.0f} mm after the leads end",
            )
        layout = trace_edges.with_gaps(
            self.image,
            self.paper_map,
            layout,
            self.leads_heights,
            best.gap_mm,
            self.pulse_gaps,
        )
        layout = with_times(layout, self.leads_heights)
        if self.pulse_gaps and not trace_edges.shows_usual_columns(layout):
            doubts = (*doubts, COLUMNS_UNUSUAL)
        return layout, doubts

"""What is printed where on a page: rows, ends, pulses, and which leads.

picture, PaperMap -> straightened page without its grid
    -> rows and pulses
    -> rows read as they are, each as if it were one lead
    -> kinds of pages that have as many rows, with their columns where
       their leads agree best (`relations`)
    -> `PrintedLayout`
"""

import dataclasses
import functools

import numpy as np

from ecg_keras.ecg.leads import LIMB_LEADS
from ecg_keras.models.layout.beats import (
    RowBeats,
    find_beats,
    repeat_by_chance,
    same_seconds,
)
from ecg_keras.models.layout.column_times import same_seconds_by_strips
from ecg_keras.models.layout.columns import GAP_START_MM, TraceEnds
from ecg_keras.models.layout.compared_rows import ComparedRows
from ecg_keras.models.layout.kinds_to_try import (
    count_left_out,
    likely_by_names,
)
from ecg_keras.models.layout.known_layouts import ANY, KNOWN
from ecg_keras.models.layout.lead_names import LEAST_TOLD as NAME_TELLS
from ecg_keras.models.layout.lead_names import Names
from ecg_keras.models.layout.relations import (
    AGREES_BELOW,
    AGREES_BELOW_IN_CABRERA,
    evidence,
)
from ecg_keras.models.layout.row_heights import PER_MM
from ecg_keras.models.layout.strip_leads import STRIP_LEADS, likely_strips
from ecg_keras.page.printed_layout import Pulse, evenly_printed

# Columns that are shorter, mm, are not compared.
LEAST_PIECE_MM = 10.0
# Edges of columns are left out of comparisons, in mm.
EDGE_MM = 1.5
# Rows of 5, 10 and 20 s at 25 mm/s, and how far off they may be.
WHOLE_ROWS_MM, WHOLE_OFF = (125.0, 250.0, 500.0), 0.01
# Four columns of 2.5 s at 25 mm/s: no maker prints 1.25 or 5 s so.
TELLING_COLUMN_MM, TELLING_OFF_MM = 62.5, 2.0
# Columns of 2.5 s that marks say to be wider or narrower by more are so because
# the paper's mm are, or the paper did not run at its speed.
MARKS_TELL_MM = 0.6
# Columns that end so far before or after the traces do count as if so far; what
# a mm of either costs.
LONGEST_COLUMN_MM, UNREAD_COST = 62.5, 0.2
MOST_MISSING_MM, MISSING_COST = 20.0, 0.1
# What is missing of columns where the picture ends with them, as a part of what
# it is elsewhere.
CUT_OFF = 0.2
# A row that a kind leaves out: one of traces, and one that is none, such as a
# line of letters.
ROW_LEFT_OUT, OTHER_LEFT_OUT = 4.0, 0.5
# What tells against a strip without a name where most leads have theirs.
UNNAMED_STRIP = 1.0
# Few pages have columns that show the same seconds.
SAME_SECONDS = 3.0
# Limb leads of two columns, as evidence against the same seconds.
LIMBS_TELL = 1.0


@dataclasses.dataclass(frozen=True, eq=False)
class Candidate:
    """A kind of page, as its rows and columns may lie on this one.

    Attributes:
        kind: `known_layouts.KnownLayout`.
        first_row: of the page's rows the one that is the kind's first.
        x_start_mm, column_mm, x_end_mm: where the first column begins, how
            wide columns are, and where rows end.
        strips: leads of the rows that may be any.
        score: how well all agrees, see `_score`.
        agreement: the part of it that leads' relations give.
        strip_margin: how much better the strips' leads fit than the next best.
        n_left_out: rows as long as the others that are no part of it.
        is_marked: whether marks between its columns tell how wide they are.
        is_simultaneous: whether strips tell that all columns show the same
            seconds.
        gap_mm: how long the gap is that ends each column.
        n_named, n_misnamed: beside how many of its leads their names are
            printed, and beside how many others' names are.
        n_printed: how many leads' names are printed anywhere on the page.
        named_strips: leads of strips whose names are printed beside them.
    """

    kind: object
    first_row: int
    x_start_mm: float
    column_mm: float
    x_end_mm: float
    strips: tuple
    score: float
    agreement: float
    strip_margin: float = np.inf
    n_left_out: int = 0
    is_marked: bool = False
    is_simultaneous: bool = False
    gap_mm: float = 0.0
    n_named: int = 0
    n_misnamed: int = 0
    n_printed: int = 0
    named_strips: tuple = ()

    @property
    def tells_speed(self):
        """Whether its columns are as wide as at 25 mm/s alone."""
        off = min(
            abs(self.column_mm - gap_mm - TELLING_COLUMN_MM)
            for gap_mm in (0.0, self.gap_mm)
        )
        return self.kind.n_columns == 4 and off < TELLING_OFF_MM

    @property
    def marked_row_mm(self):
        """How long a row of 10 s is by marks; None where they tell nothing."""
        off = abs(self.column_mm - TELLING_COLUMN_MM)
        if self.is_marked and self.tells_speed and off > MARKS_TELL_MM:
            return self.kind.n_columns * self.column_mm
        return None

    @property
    def rows(self):
        """Names of the leads of each row."""
        strips = iter(self.strips)
        return tuple(
            (next(strips),) if leads == (ANY,) else leads
            for leads in self.kind.rows
        )


def candidates(rows, ends, kinds=KNOWN, separators=(), gaps=(), names=None):
    """All kinds of pages that rows may be, the likeliest first.

    Args:
        rows: list of `row_heights.RowHeights`.
        ends: `TraceEnds`.
        kinds: `KnownLayout`s to try.
        separators: x in mm of marks between columns.
        gaps: (start, end) x in mm of gaps between columns.
        names: the `lead_names.Names` that the page prints.

    Returns:
        list of `Candidate`.
    """
    found = []
    ends, names = TraceEnds(*ends), names or Names()
    compared = ComparedRows(rows)
    beats = RowBeats.of(rows, *ends[:2])
    n_printed = len(names.sure_leads)
    for kind, first, tried in likely_by_names(
        kinds, rows, ends, separators, gaps, names
    ):
        candidate = functools.partial(
            _candidate, kind, first, compared, beats, ends
        )
        best, *own = max(
            ((candidate(*own), *own) for own in tried),
            key=lambda scored: scored[0].score,
        )
        # Below columns that show the same seconds a strip shows others.
        if best.strips and kind.n_columns > 1:
            again = candidate(*own, is_simultaneous=True)
            best = max(best, again, key=lambda scored: scored.score)
        n_long, n_other = count_left_out(rows, kind, first, own[1].left_out)
        cost = ROW_LEFT_OUT * n_long + OTHER_LEFT_OUT * n_other
        found.append(
            dataclasses.replace(
                best,
                score=best.score - cost,
                n_left_out=n_long,
                n_printed=n_printed,
            )
        )
    return sorted(found, key=lambda candidate: -candidate.score)


def _candidate(
    kind, first, compared, beats, ends, columns, named, is_simultaneous=False
):
    """A kind with its columns at one place, scored."""
    x_start, width, x_end = columns.x_start_mm, columns.column_mm, ends[1]
    shown_from = max(x_start, ends.x_start_mm - GAP_START_MM)
    agreement = 0.0
    below = AGREES_BELOW_IN_CABRERA if kind.cabrera else AGREES_BELOW
    strips = _strip_rows(kind, first)
    for_strips = [{lead: [] for lead in STRIP_LEADS} for _ in strips]
    windows = list(_windows(kind, first, columns, x_end, shown_from))
    for left, right, full, leads in windows:
        agreement += compared.agreement(left, right, full, leads, below)
        # Where no time passes in gaps, strips show it further left.
        column = round((left - x_start) / width)
        strip_left = left - column * columns.gap_mm * columns.stops
        if is_simultaneous:
            strip_left = windows[0][0]
        for told, index in zip(for_strips, strips, strict=True):
            own = compared.strip(left, right, strip_left, index, full, leads)
            for lead, more in own.items():
                told[lead].extend(more)
    chosen, told, margin = likely_strips(for_strips, named.of_strips)
    agreement += told - SAME_SECONDS * is_simultaneous
    agreement += named.told_of_leads
    named_strips = tuple(
        lead
        for lead, name in zip(chosen, named.of_strips, strict=True)
        if name.get(lead, 0.0) > NAME_TELLS
    )
    # Where columns begin to a mm, edges of beats would decide.
    first_mm = x_start if shown_from > x_start else ends.x_start_mm
    agreement += beats.told(kind, first, first_mm, width, x_end)
    score = kind.prior + agreement - UNNAMED_STRIP * named.n_unnamed_strips
    score += sum(STRIP_LEADS[lead] - STRIP_LEADS["II"] for lead in chosen)
    off = x_start + kind.n_columns * width - columns.gap_mm - x_end
    if off > 0 and ends.is_cut:
        off *= CUT_OFF
    # Another column may be missed; what lies beyond a page is none.
    if off < 0:
        score -= UNREAD_COST * min(-off, LONGEST_COLUMN_MM)
    else:
        score -= MISSING_COST * min(off, MOST_MISSING_MM)
    score -= columns.cost
    return Candidate(
        kind, first, x_start, width, x_end, chosen, score, agreement, margin,
        is_marked=columns.is_marked, is_simultaneous=is_simultaneous,
        gap_mm=columns.gap_mm,
        n_named=named.n_right + len(named_strips), n_misnamed=named.n_wrong,
        named_strips=named_strips,
    )  # fmt: skip


def _strip_rows(kind, first):
    """Of the page's rows the strips of a kind whose first row is `first`."""
    return [
        first + index for index, row in enumerate(kind.rows) if row == (ANY,)
    ]


def _windows(kind, first, columns, x_end_mm, x_start_mm=-np.inf):
    """What is compared of each column, without its edges.

    Args:
        kind: a `KnownLayout`.
        first: of the page's rows the one that is its first.
        columns: where they are: has `x_start_mm` and `column_mm`.
        x_end_mm, x_start_mm: where rows end, and where the picture begins.

    Yields:
        (left_mm, right_mm, which rows, their leads): not those of strips.
    """
    for column in range(kind.n_columns):
        left = columns.x_start_mm + column * columns.column_mm
        right = min(left + columns.column_mm - columns.gap_mm, x_end_mm)
        left, right = max(left, x_start_mm) + EDGE_MM, right - EDGE_MM
        if right - left < LEAST_PIECE_MM:
            continue
        taken = [
            (first + index, row[column])
            for index, row in enumerate(kind.rows)
            if len(row) > column and row != (ANY,)
        ]
        yield (
            left,
            right,
            tuple(index for index, _ in taken),
            tuple(lead for _, lead in taken),
        )


def simultaneous(candidate, rows):
    """Whether columns show the same seconds; None where nothing tells.

    Args:
        candidate: a `Candidate`.
        rows: all `row_heights.RowHeights` of the page.
    """
    kind, first = candidate.kind, candidate.first_row
    windows = list(_windows(kind, first, candidate, candidate.x_end_mm))[:2]
    if kind.n_columns < 2 or len(windows) < 2:
        return None

    def heights(window, indices):
        x_mm = np.arange(*window[:2], 1 / PER_MM)
        return np.stack([rows[k].at(x_mm) for k in indices])

    def beats(window, indices):
        found = find_beats(heights(window, indices), PER_MM)
        return window[0] + found / PER_MM

    one, two = windows
    both = (*one[3], *two[3])
    if all(lead.lstrip("-") in LIMB_LEADS for lead in both):
        parts = [heights(window, window[2]) for window in windows]
        n = min(part.shape[1] for part in parts)
        told = evidence(both, np.concatenate([part[:, :n] for part in parts]))
        # Where beats are even, leads agree across columns in either case.
        if told < -LIMBS_TELL:
            return False
    strips = _strip_rows(kind, first)
    strip_mm = None
    if strips:
        several = [rows[k] for k in one[2]]
        told = same_seconds_by_strips(
            several,
            [rows[k] for k in strips],
            candidate.x_start_mm,
            candidate.column_mm,
            kind.n_columns,
        )
        if told is not None:
            return told
        strip_mm = np.concatenate([beats(window, strips) for window in windows])
    first_mm, later_mm = (beats(window, window[2]) for window in windows)
    told = same_seconds(first_mm, later_mm, candidate.column_mm, strip_mm)
    if told is None and candidate.is_simultaneous and len(first_mm) > 2:
        by_chance = repeat_by_chance(first_mm, candidate.column_mm)
        return None if by_chance else True
    return told


def lost_beginning(candidate, ends):
    """Whether nothing tells what is lost of traces that the picture cuts off.

    Where there are columns, these tell.

    Args:
        candidate: the `Candidate` that is read.
        ends: `TraceEnds` of the page.
    """
    length_mm = candidate.x_end_mm - candidate.x_start_mm
    is_whole = any(
        abs(length_mm / whole - 1) < WHOLE_OFF for whole in WHOLE_ROWS_MM
    )
    return ends.is_cut_left and candidate.kind.n_columns == 1 and not is_whole


def printed_layout(candidate, rows, pulses, speed_mm_per_s, gain_mm_per_mv):
    """The `PrintedLayout` of a candidate.

    Args:
        candidate: a `Candidate`.
        rows: all `row_heights.RowHeights` of the page.
        pulses: list of `pulses.FoundPulse`.
        speed_mm_per_s, gain_mm_per_mv: of the page.
    """
    kind = candidate.kind
    taken = range(candidate.first_row, candidate.first_row + len(kind.rows))
    width = candidate.column_mm
    end = candidate.x_start_mm + kind.n_columns * width - candidate.gap_mm
    end = min(candidate.x_end_mm, end)
    if kind.n_columns == 1:
        width = end - candidate.x_start_mm
    layout = evenly_printed(
        _full_name(candidate),
        candidate.rows,
        [rows[k].seen.zero_y_mm for k in taken],
        candidate.x_start_mm,
        width,
        speed_mm_per_s,
        gain_mm_per_mv,
        simultaneous(candidate, rows),
        strip_end_mm=end,
    )
    return dataclasses.replace(
        layout,
        rows=tuple(_cut(row, end) for row in layout.rows),
        pulses=tuple(
            Pulse(p.x_start_mm, p.x_end_mm, p.foot_y_mm, p.height_mm)
            for p in pulses
        ),
    )


def _cut(row, end_mm):
    """A row without what lies beyond the end of the traces."""
    segments = tuple(
        dataclasses.replace(segment, x_end_mm=min(segment.x_end_mm, end_mm))
        for segment in row.segments
        if segment.x_start_mm < end_mm - 2
    )
    return dataclasses.replace(row, segments=segments)


def _full_name(candidate):
    """The kind's name; strips other than one of lead II are said."""
    strips = candidate.strips
    if not strips or strips == ("II",):
        return candidate.kind.name
    return f"{candidate.kind.name} ({', '.join(strips)})"

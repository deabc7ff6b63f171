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
import itertools
from typing import NamedTuple

import numpy as np

from ecg_keras.ecg.leads import LIMB_LEADS
from ecg_keras.models.layout.beats import (
    RowBeats,
    find_beats,
    repeat_by_chance,
    same_seconds,
)
from ecg_keras.models.layout.column_times import (
    gap_by_strips,
    same_seconds_by_strips,
)
from ecg_keras.models.layout.columns import (
    GAP_START_MM,
    USUAL_COLUMNS_MM,
    TraceEnds,
    columns_to_try,
    usual,
    with_gap,
)
from ecg_keras.models.layout.known_layouts import ANY, KNOWN
from ecg_keras.models.layout.lead_names import LEAST_TOLD as NAME_TELLS
from ecg_keras.models.layout.lead_names import SURE, Names
from ecg_keras.models.layout.relations import (
    AGREES_BELOW,
    AGREES_BELOW_IN_CABRERA,
    FLAT_PRINT_MM,
    evidence,
    evidence_of_each,
)
from ecg_keras.models.layout.row_heights import PER_MM
from ecg_keras.page.paper import GAIN_MM_PER_MV
from ecg_keras.page.printed_layout import Pulse, evenly_printed

# Long columns are compared piece by piece, of about so many mm.
PIECE_MM = 62.5
LEAST_PIECE_MM = 10.0
# A map may be so far off between rows; rows are moved if that fits better by
# this factor.
MOST_OFF_MM = 2.0
SURER = 1.03
# Edges of columns are left out of comparisons, in mm.
EDGE_MM = 1.5
# Rows of 5, 10 and 20 s at 25 mm/s, and how far off they may be.
WHOLE_ROWS_MM, WHOLE_OFF = (125.0, 250.0, 500.0), 0.01
# Four columns of 2.5 s at 25 mm/s: no maker prints 1.25 or 5 s so.
TELLING_COLUMN_MM, TELLING_OFF_MM = 62.5, 2.0
# Beats are seldom less or more apart: 37 strangers' pages have 0.38 to 1.06 s.
LEAST_BEAT_S, MOST_BEAT_S, LEAST_BEATS_APART = 0.28, 1.5, 2
# Devices print pulses at this share of rows; of another gain than 10 mm/mV what
# stands at fewer may be waves.
PULSED_SHARE = 0.7
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
# A row that a kind leaves out: one as long as the others or beside which a
# lead's name is printed, and one that is not, such as a line of letters.
ROW_LEFT_OUT, OTHER_LEFT_OUT = 4.0, 0.5
AS_LONG_MM = 8.0
# Rows with gaps are as long as their columns and gaps, but for so much, mm.
GAPS_LENGTH_MM = 2.0
# Few pages have columns that show the same seconds.
SAME_SECONDS = 3.0
# Limb leads of two columns, as evidence against the same seconds.
LIMBS_TELL = 1.0
# Kinds of pages of which names tell less than of another by so much are left
# aside.
NAMES_RULE_OUT = 4.0
# Of so many rows a picture may not show any, where names tell more by this.
MOST_LOST_ROWS, CUT_KIND = 3, 0.5
# What a strip's name tells for its lead, where it is likelier than not; and
# what tells against a strip without a name where most leads have theirs.
NAMED_STRIP, UNNAMED_STRIP = 3.0, 1.0
# A strip is so alike some lead by chance, in the units of evidence.
BY_CHANCE = 0.8
# A strip misread in places is not less like its lead than this.
LEAST_TOLD = -0.5
# Two prints of a lead are more alike than any two leads: the most that one
# tells for it, and so many times more than relations with other leads.
MOST_ALIKE, OWN_PRINT = 5.0, 3.0
# A strip may be any lead; the first few are common.
STRIP_LEADS = {
    "II": 0.7, "V1": 0.6, "V5": 0.4, "III": -0.8, "V6": -0.8, "I": -1.6,
    "aVF": -1.6, "V2": -1.6, "V3": -1.6, "V4": -1.6, "aVR": -1.6, "aVL": -1.6,
}  # fmt: skip


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
    compared = _Compared(rows)
    beats = RowBeats.of(rows, *ends[:2])
    n_printed = len(names.sure_leads)
    for kind, first, tried in _likely_by_names(
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
        is_row = _are_rows(_left_out(rows, kind, first), rows, own[1].left_out)
        n_long, n_other = sum(is_row), len(is_row) - sum(is_row)
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


def _likely_by_names(kinds, rows, ends, separators, gaps, names):
    """The kinds of pages that names do not rule out, and what these tell.

    Also kinds whose first rows the picture does not show, where names tell more
    for them than for whole ones.

    Returns:
        list of (kind, first row, list of (`Columns`, `_Named`)).
    """
    whole = list(_with_names(kinds, rows, ends, separators, gaps, names))
    most = max((own.told for own in whole), default=0.0)
    cut = []
    if names.sure_leads:
        cut = [
            own
            for own in _with_names(
                _without_first_rows(kinds), rows, ends, separators, gaps, names
            )
            if own.told > most + CUT_KIND
        ]
        most = max([most, *(own.told for own in cut)])
    return [
        (own.kind, own.first, own.tried)
        for own in (*whole, *cut)
        if own.told > most - NAMES_RULE_OUT
    ]


class _NamedKind(NamedTuple):
    """A kind whose first row is one of the page's, and what names tell of it.

    Attributes:
        tried: list of (`Columns`, `_Named`).
    """

    kind: object
    first: int
    tried: list

    @property
    def told(self):
        return max(named.told for _, named in self.tried)


def _with_names(kinds, rows, ends, separators, gaps, names):
    """Yields the `_NamedKind`s of some kinds of pages."""
    for kind in kinds:
        columns = columns_to_try(kind, ends, separators, gaps, names)
        for first in range(max(len(rows) - len(kind.rows) + 1, 0)):
            taken = rows[first:][: len(kind.rows)]
            zero_y_mm, left_out_mm = (
                [row.seen.zero_y_mm for row in own]
                for own in (taken, _left_out(rows, kind, first))
            )
            # Names tell no mm of where columns are, but how far these reach.
            known = {}
            tried = []
            for own in (
                *columns,
                *_with_strip_gaps(kind, taken, ends, separators),
            ):
                reach_mm = kind.n_columns * own.column_mm
                place = round(own.x_start_mm / 3), round(reach_mm)
                if place not in known:
                    known[place] = _Named.of(
                        kind, zero_y_mm, left_out_mm, own, names
                    )
                tried.append((own, known[place]))
            yield _NamedKind(kind, first, tried)


def _with_strip_gaps(kind, rows, ends, separators):
    """`Columns` of a kind between which strips tell that no time passes.

    Args:
        kind: a `KnownLayout`.
        rows: the `row_heights.RowHeights` that are its rows.
        ends, separators: see `candidates`.
    """
    several, one = (
        [
            row
            for row, leads in zip(rows, kind.rows, strict=True)
            if (leads == (ANY,)) == is_strip
        ]
        for is_strip in (False, True)
    )
    if kind.n_columns < 2 or not one:
        return []
    found = []
    seen_mm = (ends.seen_mm or ends)[:2]
    for width in USUAL_COLUMNS_MM:
        reach_mm = ends.x_start_mm + kind.n_columns * width - ends.x_end_mm
        if abs(reach_mm) > width / 2:
            continue
        gap_mm = gap_by_strips(
            several, one, ends.x_start_mm, width, kind.n_columns
        )
        if not gap_mm:
            continue
        # Even beats tell the same of shorter rows whose columns show the same
        # seconds.
        length_mm = kind.n_columns * (width + gap_mm) - gap_mm
        if ends.is_cut or np.ptp(seen_mm) > length_mm - GAPS_LENGTH_MM:
            found += with_gap(kind.n_columns, ends, width, gap_mm, separators)
    return found


def _without_first_rows(kinds):
    """Yields kinds of which the picture does not show the first rows."""
    for kind in kinds:
        n_rows = sum(row != (ANY,) for row in kind.rows)
        for n_lost in range(1, min(n_rows - 1, MOST_LOST_ROWS + 1)):
            yield dataclasses.replace(
                kind, rows=kind.rows[n_lost:], prior=kind.prior - n_lost
            )


def _left_out(rows, kind, first):
    """The rows of a page that are no part of a kind."""
    return [*rows[:first], *rows[first + len(kind.rows) :]]


def _are_rows(left_out, rows, names):
    """Which of some rows are of traces: as long as most, or with a lead's name.

    Args:
        left_out: the rows.
        rows: all of the page's.
        names: the `FoundName` beside each, or None.
    """
    start = usual([row.x_start_mm for row in rows])
    end = usual([row.x_end_mm for row in rows])
    return [
        (name is not None and name.probability > SURE)
        or (
            abs(row.x_start_mm - start) < AS_LONG_MM
            and abs(row.x_end_mm - end) < AS_LONG_MM
        )
        for row, name in zip(left_out, names, strict=True)
    ]


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
    chosen, told, margin = _strip_leads(for_strips, named.of_strips)
    agreement += told - SAME_SECONDS * is_simultaneous
    agreement += sum(named.of_leads)
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


class _Named(NamedTuple):
    """What names tell for or against a kind with its columns at one place.

    Attributes:
        of_leads: what each name tells that stands beside a lead, strips left
            out.
        of_strips: for each strip {lead: what tells for it}.
        n_leads: how many leads there are, strips left out.
        left_out: beside each row that is no part of the kind the `FoundName`
            where its first lead's would be, or None.
    """

    of_leads: tuple
    of_strips: tuple
    n_leads: int
    left_out: tuple

    @property
    def told(self):
        return sum(self.of_leads) + sum(
            max(told.values(), default=0.0) for told in self.of_strips
        )

    @property
    def n_right(self):
        return sum(told > NAME_TELLS for told in self.of_leads)

    @property
    def n_unnamed_strips(self):
        """How many strips have no name where half of the leads have theirs."""
        if 2 * self.n_right < self.n_leads:
            return 0
        return sum(
            max(told.values(), default=0.0) < NAME_TELLS
            for told in self.of_strips
        )

    @property
    def n_wrong(self):
        return sum(told < -NAME_TELLS for told in self.of_leads)

    @classmethod
    def of(cls, kind, zero_y_mm, left_out_mm, columns, names):
        """What `Names` tell of a kind whose rows are at some y, others not."""
        leads, at_mm = [], []
        for row, y_mm in zip(kind.rows, zero_y_mm, strict=True):
            for column, lead in enumerate(row):
                x_mm = columns.x_start_mm + column * columns.column_mm
                leads.append(lead)
                at_mm.append((x_mm, y_mm))
        of_leads, of_strips = [], []
        n_own = len(leads)
        beside = names.beside(
            leads + [ANY] * len(left_out_mm),
            at_mm + [(columns.x_start_mm, y_mm) for y_mm in left_out_mm],
        )
        for lead, name in zip(leads, beside[:n_own], strict=True):
            if lead == ANY:
                of_strips.append(name.of_leads if name else {})
            elif name:
                of_leads.append(name.told(lead))
        n_leads = n_own - len(of_strips)
        left_out = tuple(beside[n_own:])
        return cls(tuple(of_leads), tuple(of_strips), n_leads, left_out)


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


class _Compared:
    """Rows and leads, compared once: kinds of pages ask much the same.

    Args:
        rows: list of `row_heights.RowHeights`.
    """

    def __init__(self, rows):
        self.rows = rows
        self.heights = functools.cache(self._heights)
        self.agreement = functools.cache(self._agreement)
        self.strip = functools.cache(self._strip)

    def _heights(self, left_mm, right_mm):
        """(2, rows, n) heights between two x: as they are, and aligned."""
        x = np.arange(left_mm, right_mm, 1 / PER_MM)
        heights = np.stack([row.at(x) for row in self.rows])
        return np.stack([heights, aligned(heights)])

    def _pieces(self, left_mm, right_mm):
        n_pieces = max(round((right_mm - left_mm) / PIECE_MM), 1)
        return np.array_split(self.heights(left_mm, right_mm), n_pieces, axis=2)

    def _agreement(self, left_mm, right_mm, indices, leads, below):
        """For or against some rows being some leads between two x."""
        return sum(
            _told(leads, piece[:, list(indices)], below)
            for piece in self._pieces(left_mm, right_mm)
        )

    def _strip(self, left_mm, right_mm, strip_mm, index, indices, leads):
        """Of each lead what tells for a row being a strip of it.

        Args:
            left_mm, right_mm: of a column.
            strip_mm: where the strip shows the same seconds.
            index: of the row of the strip.
            indices, leads: of the column's rows, and what they would show.

        Returns:
            {lead: list of (evidence, weight)}, see `_strip_evidence`.
        """
        told = {lead: [] for lead in STRIP_LEADS}
        pieces = self._pieces(left_mm, right_mm)
        there = pieces
        if strip_mm != left_mm:
            there = self._pieces(strip_mm, strip_mm + right_mm - left_mm)
        for piece, with_strip in zip(pieces, there, strict=True):
            n = min(piece.shape[-1], with_strip.shape[-1])
            own = _strip_evidence(
                with_strip[:, index, :n], leads, piece[:, list(indices), :n]
            )
            for lead, more in own.items():
                told[lead].append(more)
        return told


def _told(leads, both, agrees_below=AGREES_BELOW):
    """`evidence` of rows as they are or aligned, whichever agrees better."""
    return float(evidence(leads, both, agrees_below).max())


def aligned(heights):
    """Rows moved along x to where their steep parts stand below each other.

    Beats are at one time in all leads, but a page's map may be off by a mm
    between rows.

    Args:
        heights: (rows, n), `PER_MM` a mm.

    Returns:
        The same shape; rows moved by no more than `MOST_OFF_MM`.
    """
    most = round(MOST_OFF_MM * PER_MM)
    n = heights.shape[1]
    if n <= 4 * most:
        return heights
    steep = np.abs(np.gradient(heights, axis=1))
    steep = np.minimum(steep, 4 * steep.mean(axis=1, keepdims=True) + 1e-6)
    box = np.ones(PER_MM) / PER_MM
    steep = np.stack([np.convolve(row, box, "same") for row in steep])
    steep /= np.linalg.norm(steep, axis=1, keepdims=True) + 1e-9
    moved = heights.copy()
    for k in range(len(heights)):
        others = steep.sum(axis=0) - steep[k]
        inside = others[most : n - most]
        alike = [
            inside @ steep[k, most + lag : n - most + lag]
            for lag in range(-most, most + 1)
        ]
        lag = int(np.argmax(alike)) - most
        if alike[lag + most] > SURER * alike[most]:
            moved[k] = np.roll(heights[k], -lag)
    return moved


def _strip_evidence(height, leads, heights):
    """For or against a strip being each lead, beside a column's leads.

    Args:
        height: (2, T) of the strip: as it is, and aligned.
        leads: n names of the column's leads.
        heights: (2, n, T) of these.

    Returns:
        {lead: (evidence, its weight)}, of the leads with which the column's
        have something to do.
    """
    more, alike = {}, {}
    limb = [k for k, lead in enumerate(leads) if lead.lstrip("-") in LIMB_LEADS]
    if limb:
        own = [leads[k] for k in limb]
        whole = np.concatenate([height[:, None], heights[:, limb]], axis=1)
        told = evidence_of_each(
            [(lead, *own) for lead in LIMB_LEADS], whole[None]
        )
        told = told.max(axis=1) - _told(own, heights[:, limb])
        more = dict(zip(LIMB_LEADS, told.tolist(), strict=True))
    printed = [k for k, lead in enumerate(leads) if lead in STRIP_LEADS]
    if printed:
        # (leads, 2, 2, T)
        pairs = np.stack(
            [np.stack([height, heights[:, k]], axis=1) for k in printed]
        )
        pair_leads = [(leads[k], leads[k]) for k in printed]
        names = [leads[k] for k in printed]
        told = evidence_of_each(pair_leads, pairs).max(axis=1).tolist()
        more = {**dict(zip(names, told, strict=True)), **more}
        told = evidence_of_each(
            pair_leads, pairs, most_for=MOST_ALIKE, flat_mm=FLAT_PRINT_MM
        )
        told = told.max(axis=1).tolist()
        alike = dict(zip(names, told, strict=True))
    # Its own print tells most, and does not suffer from other leads.
    return {
        lead: (alike[lead], OWN_PRINT)
        if alike.get(lead, -np.inf) > value
        else (max(value, LEAST_TOLD), 1.0)
        for lead, value in more.items()
    }


def _strip_leads(for_strips, names):
    """The leads that strips most likely show, each another one.

    Args:
        for_strips: for each strip {lead: [(evidence, weight)]}.
        names: for each strip {lead: what its name tells}.

    Returns:
        (leads, score, margin): how well they fit, and by how much better than
        with the next lead in the strip that is least sure.
    """
    scores = []
    for told, named in zip(for_strips, names, strict=True):
        # A lead that is like another fits in some columns, not in all.
        scores.append(
            {
                lead: prior
                + 2 * (_weighted_mean(told[lead]) - BY_CHANCE)
                + NAMED_STRIP * max(2 * named.get(lead, 0.0) - 1, 0.0)
                for lead, prior in STRIP_LEADS.items()
            }
        )
    likely = [
        sorted(score, key=score.get)[: -len(scores) - 2 : -1]
        for score in scores
    ]
    best = max(
        (
            leads
            for leads in itertools.product(*likely)
            if len(set(leads)) == len(leads)
        ),
        key=lambda leads: sum(
            score[lead] for score, lead in zip(scores, leads, strict=True)
        ),
    )
    told, margin = 0.0, np.inf
    for score, lead in zip(scores, best, strict=True):
        others = [v for name, v in score.items() if name not in best]
        margin = min(margin, score[lead] - max(others))
        told += score[lead] - STRIP_LEADS[lead]
    return best, told, margin


def _weighted_mean(told):
    if not told:
        return 0.0
    values, weights = zip(*told, strict=True)
    return float(np.average(values, weights=weights))


def _simultaneous(candidate, rows):
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


def gain_and_speed(pulses):
    """(mm a mV, mm a s) as pulses tell them; None each where they do not."""
    whole = [pulse for pulse in pulses if not pulse.is_half]
    gain = speed = None
    if pulses:
        height = float(np.median([pulse.height_mm for pulse in pulses]))
        gain = min(
            (2.5, 5.0, 10.0, 20.0), key=lambda g: abs(np.log(g / height))
        )
    if whole:
        width = float(np.median([pulse.width_mm for pulse in whole]))
        if 3.8 < width < 6.5:
            speed = 25.0
        elif width >= 8.0:
            speed = 50.0
    return gain, speed


def rare_gain(pulses, n_rows):
    """A reason to doubt a gain that few pages have, or None.

    Args:
        pulses: list of `FoundPulse`.
        n_rows: how many rows the page has.
    """
    gain, _ = gain_and_speed(pulses)
    if gain in (None, GAIN_MM_PER_MV) or len(pulses) >= PULSED_SHARE * n_rows:
        return None
    return (
        f"pulses of {gain:g} mm a mV are seen at {len(pulses)} of {n_rows} "
        "rows: they may be waves"
    )


def unlikely_beats(rows, x_start_mm, x_end_mm, speed_mm_per_s):
    """A reason to doubt a paper speed by how far beats are apart, or None.

    A pulse of 0.1 s at 50 mm/s is as wide as one of 0.2 s at 25.

    Args:
        rows: list of `row_heights.RowHeights`.
        x_start_mm, x_end_mm: of the traces.
        speed_mm_per_s: as it was found.
    """
    apart_mm = np.diff(RowBeats.of(rows, x_start_mm, x_end_mm).x_mm)
    if len(apart_mm) < LEAST_BEATS_APART:
        return None
    apart_s = float(np.median(apart_mm)) / speed_mm_per_s
    if LEAST_BEAT_S < apart_s < MOST_BEAT_S:
        return None
    return (
        f"beats are {apart_s:.2g} s apart at {speed_mm_per_s:g} mm/s: the "
        "paper may have run at another speed"
    )


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
        _simultaneous(candidate, rows),
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

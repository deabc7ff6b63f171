"""Which kinds of pages rows may be, and where columns are tried.

A kind is tried at each row that may be its first. Names that are printed beside
leads rule others out; rhythm strips add columns between which no time passes.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from ecg_keras.models.layout.column_times import gap_by_strips
from ecg_keras.models.layout.columns import (
    USUAL_COLUMNS_MM,
    columns_to_try,
    usual,
    with_gap,
)
from ecg_keras.models.layout.known_layouts import ANY
from ecg_keras.models.layout.lead_names import LEAST_TOLD as NAME_TELLS
from ecg_keras.models.layout.lead_names import SURE, class_name

# Kinds of pages of which names tell less than of another by so much are left
# aside, where that other leaves no more traces out.
NAMES_RULE_OUT = 4.0
# What the name of a lead that a kind does not show tells against it.
MISSED_NAME = 1.0
# Of so many rows a picture may not show any, where names tell more by this.
MOST_LOST_ROWS, CUT_KIND = 3, 0.5
# Rows with gaps are as long as their columns and gaps, but for so much, mm.
GAPS_LENGTH_MM = 2.0
# A row is as long as most where it begins and ends so near to them, mm.
AS_LONG_MM = 8.0


def likely_by_names(kinds, rows, ends, separators, gaps, names):
    """The kinds of pages that names do not rule out, and what these tell.

    Also kinds whose first or last rows the picture does not show, where names
    tell more for them than for whole ones.

    Args:
        kinds: `KnownLayout`s.
        rows: list of `row_heights.RowHeights`.
        ends, separators, gaps, names: see `columns.columns_to_try`.

    Returns:
        list of (kind, first row, list of (`Columns`, `Named`)).
    """
    whole = list(_with_names(kinds, rows, ends, separators, gaps, names))
    most = max((own.told for own in whole), default=0.0)
    cut = []
    if names.sure_leads:
        cut = [
            own
            for own in _with_names(
                _without_some_rows(kinds), rows, ends, separators, gaps, names
            )
            if own.told > most + CUT_KIND
        ]
    tried = [*whole, *cut]
    left_out = [
        count_left_out(rows, own.kind, own.first, own.names_left_out)[0]
        for own in tried
    ]
    told = [own.told for own in tried]
    most = {
        n: max(
            own for own, n_own in zip(told, left_out, strict=True) if n_own <= n
        )
        for n in set(left_out)
    }
    return [
        (own.kind, own.first, own.tried)
        for own, own_told, n in zip(tried, told, left_out, strict=True)
        if own_told > most[n] - NAMES_RULE_OUT
    ]


class _NamedKind(NamedTuple):
    """A kind whose first row is one of the page's, and what names tell of it.

    Attributes:
        tried: list of (`Columns`, `Named`).
    """

    kind: object
    first: int
    tried: list

    @property
    def told(self):
        return self._best.told

    @property
    def names_left_out(self):
        return self._best.left_out

    @property
    def _best(self):
        return max((named for _, named in self.tried), key=lambda own: own.told)


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
                    known[place] = Named.of(
                        kind, zero_y_mm, left_out_mm, own, names
                    )
                tried.append((own, known[place]))
            yield _NamedKind(kind, first, tried)


def _with_strip_gaps(kind, rows, ends, separators):
    """`Columns` of a kind between which strips tell that no time passes.

    Args:
        kind: a `KnownLayout`.
        rows: the `row_heights.RowHeights` that are its rows.
        ends, separators: see `columns.columns_to_try`.
    """
    several, one = kind.parted(rows)
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


def _without_some_rows(kinds):
    """Yields kinds of which the picture does not show the first rows or last.

    Those without their last strips are kinds of their own.
    """
    for kind in kinds:
        n_rows = sum(row != (ANY,) for row in kind.rows)
        for n_lost in range(1, min(n_rows - 1, MOST_LOST_ROWS + 1)):
            parts = [kind.rows[n_lost:]]
            if n_rows == len(kind.rows):
                parts.append(kind.rows[:-n_lost])
            for rows in parts:
                yield dataclasses.replace(
                    kind, rows=rows, prior=kind.prior - n_lost
                )


def _left_out(rows, kind, first):
    """The rows of a page that are no part of a kind."""
    return [*rows[:first], *rows[first + len(kind.rows) :]]


def count_left_out(rows, kind, first, names):
    """How many rows a kind leaves out.

    Args:
        rows: all of the page's.
        kind, first: the kind, and of the rows the one that is its first.
        names: the `FoundName` beside each that is left out, or None.

    Returns:
        (rows of traces: as long as most, or with a lead's name; others).
    """
    start = usual([row.x_start_mm for row in rows])
    end = usual([row.x_end_mm for row in rows])
    are_traces = [
        (name is not None and name.probability > SURE)
        or (
            abs(row.x_start_mm - start) < AS_LONG_MM
            and abs(row.x_end_mm - end) < AS_LONG_MM
        )
        for row, name in zip(_left_out(rows, kind, first), names, strict=True)
    ]
    n_traces = sum(are_traces)
    return n_traces, len(are_traces) - n_traces


class Named(NamedTuple):
    """What names tell for or against a kind with its columns at one place.

    Attributes:
        of_leads: what each name tells that stands beside a lead, strips left
            out.
        of_strips: for each strip {lead: what tells for it}.
        n_leads: how many leads there are, strips left out.
        n_missed: how many leads' names are printed that it does not show.
        left_out: beside each row that is no part of the kind the `FoundName`
            where its first lead's would be, or None.
    """

    of_leads: tuple
    of_strips: tuple
    n_leads: int
    n_missed: int
    left_out: tuple

    @property
    def told(self):
        return self.told_of_leads + sum(
            max(told.values(), default=0.0) for told in self.of_strips
        )

    @property
    def told_of_leads(self):
        """What they tell, but for which leads strips show."""
        return sum(self.of_leads) - MISSED_NAME * self.n_missed

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
        missed = names.sure_leads - {class_name(lead) for lead in leads}
        for lead, name in zip(leads, beside[:n_own], strict=True):
            if lead == ANY:
                of_strips.append(name.of_leads if name else {})
                missed -= {name.lead} if name else set()
            elif name:
                of_leads.append(name.told(lead))
        n_leads = n_own - len(of_strips)
        left_out = tuple(beside[n_own:])
        return cls(
            tuple(of_leads), tuple(of_strips), n_leads, len(missed), left_out
        )

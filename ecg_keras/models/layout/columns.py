"""Where a page's traces begin and end, and where its columns may.

By the ends of traces, marks and gaps between columns, and how far names in
them are apart; all is in mm of the paper.
"""

import dataclasses
import itertools
from typing import NamedTuple

import numpy as np

# Widths of columns that devices print, in mm; 62.5 is 2.5 s at 25 mm/s.
USUAL_COLUMNS_MM = (62.5, 125.0, 50.0, 83.333, 250.0)
USUAL_ROW_MM = 250.0
# Print goes so far beyond the middle of a line.
LINE_MM = 0.25
# Traces that begin so near to the picture's edge begin there, mm.
EDGE_OF_PICTURE_MM = 0.8
# Traces begin so far after a pulse's falling edge at the most, mm.
FOOT_MM = 7.5
# And so far before it, where the edge is drawn over them, mm.
PULSE_EDGE_MM = 1.0
UNUSUAL_WIDTH = 1.0
# For each mm that columns begin beside the traces' beginning: edges of columns
# tell little of where they are.
SHIFTED = 2.0
# Marks between columns: three or more stand evenly, to so much, so near where
# the traces' beginning says, with columns up to so much wider or narrower. Two
# may stand anywhere: they are nearer, and differ less.
MARK_NEAR_MM, MARKS_AGREE_MM, MOST_WIDER_MM = 8.0, 0.4, 2.0
LEAST_MARKS, TWO_NEAR_MM, MARKS_DIFFER_MM = 2, 5.2, 1.5
# Of more than so many, lines of a grid, some stand evenly by chance.
MOST_MARKS = 8
# Gaps stand evenly to so much, and the first column begins so near to where the
# traces do.
GAPS_EVEN_MM, GAP_START_MM = 0.6, 3.0
# Rows with gaps begin later by so much where they are that much too long, mm.
LEAST_LATER_MM = 1.0
# What a mark or a gap tells for the columns that it stands between, and each of
# several gaps: traces do not end in most rows at once, evenly, by chance.
MARKED, EVEN_GAP = 0.5, 1.5
# Names stand so near to where they would, in columns of a usual width.
NAMED_WIDTH_MM = 2.0
# Names' middles stand so far right of where their leads begin: 1.1 to 5.9 mm on
# 34 real pages, 2.2 to 3.8 on half of them. Where both ends of rows are cut off
# this alone tells where they would begin.
NAMES_RIGHT_MM = 3.0
# For each mm that columns begin beside where names say.
NAMED_SHIFTED = 0.5
# Against columns that begin much later than the traces.
LATER_START = 1.0
# Narrower columns show no beat.
LEAST_COLUMN_MM = 10.0


class TraceEnds(NamedTuple):
    """Where traces begin and end, without their pulses.

    Attributes:
        x_start_mm, x_end_mm: as most rows show it.
        is_cut, is_cut_left: whether the picture ends with them, at the right
            and at the left.
        seen_mm: where they begin and end whatever the length of rows that
            devices print, which columns with gaps exceed; None: the same.
    """

    x_start_mm: float
    x_end_mm: float
    is_cut: bool
    is_cut_left: bool = False
    seen_mm: tuple | None = None


@dataclasses.dataclass(frozen=True)
class Columns:
    """Where columns may begin, how wide they are, and what tells against it.

    Attributes:
        x_start_mm, column_mm: where the first begins, how far apart they are.
        cost: what tells against it.
        is_marked: whether marks between them tell how wide they are.
        gap_mm: how long the gap is that ends each.
        stops: whether a strip tells that no time passes in gaps.
    """

    x_start_mm: float
    column_mm: float
    cost: float = 0.0
    is_marked: bool = False
    gap_mm: float = 0.0
    stops: bool = False


def columns_to_try(kind, ends, separators, gaps, names):
    """Where the columns of a kind of page may be.

    Args:
        kind: a `KnownLayout`.
        ends: `TraceEnds`.
        separators: x in mm of marks between columns.
        gaps: (start, end) x in mm of gaps between columns.
        names: the `lead_names.Names` that the page prints.

    Returns:
        list of `Columns`.
    """
    x_start, x_end = ends[:2]
    if kind.n_columns == 1:
        return [Columns(x_start, x_end - x_start)]
    first_name_mm, pitch_mm = _first_name_and_pitch_mm(kind, names)
    by_ends = (x_end - x_start) / kind.n_columns
    widths = [by_ends]
    widths += [
        width
        for width in USUAL_COLUMNS_MM
        if x_start + (kind.n_columns - 0.75) * width < x_end
    ]
    tried = []
    for width in widths:
        cost = UNUSUAL_WIDTH * _unusual(width, kind.n_columns)
        marked = _marked(kind.n_columns, ends, width, cost, separators)
        tried += marked or [
            Columns(x_start + shift, width, cost + SHIFTED * abs(shift))
            for shift in (-3.0, -1.5, 0.0, 1.5, 3.0)
        ]
    by_gaps = _between_gaps(kind.n_columns, ends, gaps, pitch_mm)
    if by_gaps:
        # Wider columns are no paper that ran fast.
        tried = [dataclasses.replace(own, is_marked=False) for own in tried]
    return (
        tried
        + by_gaps
        + _named_columns(kind, ends, first_name_mm, pitch_mm, separators)
    )


def with_gap(n_columns, ends, width_mm, gap_mm, separators):
    """List of `Columns` that end with a gap in which no time passes.

    Args:
        n_columns: how many there are.
        ends: `TraceEnds`.
        width_mm, gap_mm: what each shows, and its gap.
        separators: see `columns_to_try`.

    Returns:
        list; empty where marks between columns leave no room for the gap.
    """
    pitch_mm = _marked_pitch_mm(n_columns, ends, width_mm, separators)
    if pitch_mm is not None and pitch_mm < width_mm + gap_mm - MARKS_AGREE_MM:
        return []
    cost = -EVEN_GAP * (n_columns - 1)
    seen = (ends.seen_mm or ends)[0]
    later = _start_before_gaps(ends, n_columns, gap_mm)
    # Gaps are known to a quarter of a mm each.
    starts = [seen, later] if later - seen > LEAST_LATER_MM else [seen]
    tried = []
    for start in starts:
        columns = Columns(start, width_mm + gap_mm, cost)
        own = ends._replace(x_start_mm=start)
        tried += _marked(n_columns, own, columns.column_mm, cost, separators)
        tried.append(columns)
    return [
        dataclasses.replace(
            own, is_marked=False, gap_mm=own.column_mm - width_mm, stops=True
        )
        for own in tried
    ]


def _start_before_gaps(ends, n_columns, gap_mm):
    """Where traces begin whose columns end with gaps."""
    seen_mm, end_mm = (ends.seen_mm or ends)[:2]
    # Without their gaps rows are as long as devices print them.
    over = end_mm - seen_mm - USUAL_ROW_MM - (n_columns - 1) * gap_mm
    return seen_mm + (over if 0 < over < FOOT_MM else 0.0)


def _named_columns(kind, ends, first_name_mm, pitch_mm, separators):
    """`Columns` as wide as their names are apart.

    The picture may cut some off, at the left or at the right, or traces may
    have been taken to begin earlier: where paper is torn, with a pulse.

    Args:
        first_name_mm, pitch_mm: see `_first_name_and_pitch_mm`.
        kind, ends, separators: see `columns_to_try`.
    """
    if pitch_mm is None or pitch_mm < LEAST_COLUMN_MM:
        return []
    near = min(USUAL_COLUMNS_MM, key=lambda width: abs(width - pitch_mm))
    width = near if abs(near - pitch_mm) < NAMED_WIDTH_MM else pitch_mm
    cost = UNUSUAL_WIDTH * _unusual(width, kind.n_columns)
    by_end = Columns(ends.x_end_mm - kind.n_columns * width, width, cost)
    if ends.is_cut_left and ends.is_cut:
        start = first_name_mm - NAMES_RIGHT_MM
        moved = ends._replace(x_start_mm=start)
        return _marked(kind.n_columns, moved, width, cost, separators) + [
            Columns(start + shift, width, cost + NAMED_SHIFTED * abs(shift))
            for shift in (-1.5, 0.0, 1.5)
        ]
    if ends.is_cut_left:
        return [by_end]
    found = [Columns(ends.x_start_mm, width, cost)] if ends.is_cut else []
    if by_end.x_start_mm >= ends.x_start_mm + FOOT_MM:
        found.append(dataclasses.replace(by_end, cost=cost + LATER_START))
    return found


def _first_name_and_pitch_mm(kind, names):
    """Where names of the first column stand or would, and how far those of
    neighbouring columns are apart; None of each where that is not known.
    """
    columns, x_mm = [], []
    for column in range(kind.n_columns):
        x = names.x_of(
            [row[column] for row in kind.rows if len(row) == kind.n_columns]
        )
        if x is not None:
            columns.append(column)
            x_mm.append(x)
    if len(columns) < 2:
        return None, None
    pitch_mm, first_mm = np.polyfit(columns, x_mm, 1)
    return float(first_mm), float(pitch_mm)


def _between_gaps(n_columns, ends, gaps, pitch_mm):
    """`Columns` that end with gaps which stand evenly; one may be missing.

    A gap may take time, or none: columns or what they show are of usual width.
    Where names tell how wide columns are, one gap is enough.
    """
    x_end = (ends.seen_mm or ends)[1]
    if len(gaps) > MOST_MARKS:
        return []
    boundaries = range(1, n_columns)
    numbers = [boundaries]
    if n_columns > 3:
        numbers += itertools.combinations(boundaries, n_columns - 2)
    if pitch_mm and n_columns > 2:
        numbers += [(boundary,) for boundary in boundaries]
    found = []
    for number in map(np.array, numbers):
        for chosen in itertools.combinations(np.asarray(gaps), len(number)):
            gap_start, start = np.array(chosen).T
            gap = float(np.mean(start - gap_start))
            x_start = _start_before_gaps(ends, n_columns, gap)
            if len(number) > 1:
                width, first = map(float, np.polyfit(number, start, 1))
            elif n_columns > 2:
                first, width = float(start[0] - number[0] * pitch_mm), pitch_mm
            else:
                first, width = x_start, float(start[0] - x_start)
            uneven = np.abs(first + width * number - start).max()
            end = first + n_columns * width - gap
            if (
                uneven > GAPS_EVEN_MM
                or abs(first - x_start) > GAP_START_MM
                or abs(end - x_end) > width / 2
            ):
                continue
            unusual = min(_unusual(w, n_columns) for w in (width, width - gap))
            told = EVEN_GAP if len(number) > 1 else MARKED
            cost = UNUSUAL_WIDTH * unusual - told * len(number)
            found.append(Columns(first, width, cost, gap_mm=gap))
    return found


def _marked(n_columns, ends, width, cost, separators):
    """`Columns` by marks between them; [] where too few, or others, stand."""
    if not len(separators):
        return []
    x_start = ends.x_start_mm
    columns = np.arange(1, n_columns)
    each = np.asarray(separators)[:, None] - x_start - width * columns
    off = _even_marks(columns, each)
    is_even = off is not None
    if not is_even:
        off = each[np.abs(each).argmin(axis=0), columns - 1]
        columns = 1 + np.flatnonzero(np.abs(off) < TWO_NEAR_MM)
        off = off[columns - 1]
    if len(off) < min(n_columns - 1, LEAST_MARKS):
        return []
    cost -= MARKED * len(off)
    # Marks are seen less sharply than ends of traces.
    if np.abs(off).max() < MARKS_AGREE_MM:
        return [Columns(x_start, width, cost)]
    found = []
    is_alike = np.ptp(off) < MARKS_DIFFER_MM
    # Beats that stand above each other may be one mark, not several.
    if len(off) == 1:
        found.append(Columns(x_start, width, cost + MARKED))
        # After a pulse traces begin a little later; rows of 250 mm tell where.
        is_later = off[0] > 0 and ends.is_cut and not ends.is_cut_left
        cost += 0.0 if is_later else SHIFTED * abs(float(off[0]))
    if is_alike and not (len(off) > 2 and np.ptp(off) > MARKS_AGREE_MM):
        found.append(Columns(x_start + off.mean(), width, cost))
    if len(off) > 1 and (is_even or is_alike):
        wider, later = np.polyfit(columns, off, 1)
        # Two tell no width where the traces then begin elsewhere.
        if is_even or ends.is_cut_left or abs(later) < MARKS_DIFFER_MM:
            found.append(
                Columns(x_start + later, width + wider, cost, is_marked=True)
            )
    return [
        dataclasses.replace(
            columns,
            x_start_mm=columns.x_start_mm + shift,
            cost=columns.cost + SHIFTED * abs(shift),
        )
        for columns in found
        for shift in (0.0, -MARKS_AGREE_MM, MARKS_AGREE_MM)
    ]


def _marked_pitch_mm(n_columns, ends, width_mm, separators):
    """How far apart columns begin by marks that stand evenly; None without.

    Args:
        n_columns, ends, separators: see `with_gap`.
        width_mm: how far, about.
    """
    columns = np.arange(1, n_columns)
    about_mm = ends.x_start_mm + width_mm * columns
    off = _even_marks(columns, np.asarray(separators)[:, None] - about_mm)
    if off is None:
        return None
    return width_mm + float(np.polyfit(columns, off, 1)[0])


def _even_marks(columns, off):
    """Of three boundaries or more the marks that stand evenly.

    Args:
        columns: (n,) numbers of the columns that begin there.
        off: (m, n) how far from each of them each mark is, mm.

    Returns:
        (n,) mm, or None.
    """
    if len(columns) < 3 or len(off) > MOST_MARKS:
        return None
    near = [each[np.abs(each) < MARK_NEAR_MM] for each in off.T]
    off = np.stack(np.meshgrid(*near), -1).reshape(-1, len(columns))
    if not len(off):
        return None
    from_middle = columns - columns.mean()
    wider = off @ from_middle / (from_middle @ from_middle)
    uneven = np.ptp(off - wider[:, None] * columns, axis=1)
    uneven[np.abs(wider) > MOST_WIDER_MM] = np.inf
    best = int(uneven.argmin())
    return off[best] if uneven[best] < MARKS_AGREE_MM else None


def _unusual(width, n_columns):
    """0 for widths that devices print to 1 for others."""
    if n_columns == 1:
        return 0.0
    off = min(abs(width - usual) for usual in USUAL_COLUMNS_MM)
    off = min(off, abs(width * n_columns - USUAL_ROW_MM) / n_columns)
    return min(off / 2.0, 1.0)


def trace_ends(rows, pulses, page):
    """Where traces begin and end, without their pulses.

    Args:
        rows: list of `trace_rows.TraceRow`.
        pulses: list of `pulses.FoundPulse`.
        page: `straight_page.StraightPage`.

    Returns:
        `TraceEnds`.
    """
    start = usual([row.x_start_mm for row in rows]) + LINE_MM
    end = usual([row.x_end_mm for row in rows]) - LINE_MM
    first, last = page.edges_mm
    is_cut_left = bool(start - first < EDGE_OF_PICTURE_MM)
    start = first if is_cut_left else start
    end = last if last - end < EDGE_OF_PICTURE_MM else end
    left = [pulse for pulse in pulses if pulse.side == "left"]
    right = [pulse for pulse in pulses if pulse.side == "right"]
    if right:
        end = min(end, float(np.median([p.x_start_mm for p in right])))
    if left:
        start = float(np.median([p.x_end_mm for p in left]))
        is_cut_left = False
    # Devices print 250 mm: what there is more is the pulse's foot, or a pulse
    # too faint to be found; less, and a pulse's edge covers where they begin.
    seen_mm = start, end
    over = end - start - USUAL_ROW_MM
    is_cut = bool(last - end < 4.0)
    covered = bool(left) and not right and not is_cut
    if 0 < over < FOOT_MM or covered and -PULSE_EDGE_MM < over < 0:
        if right:
            end -= over
        else:
            start += over
    return TraceEnds(start, end, is_cut, is_cut_left, seen_mm)


def usual(values):
    """The middle of the densest half."""
    values = np.sort(np.asarray(values, float))
    half = (len(values) + 1) // 2
    widths = values[half - 1 :] - values[: len(values) - half + 1]
    first = int(widths.argmin())
    return float(np.median(values[first : first + half]))

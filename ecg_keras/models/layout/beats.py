"""Where leads change along a row, told by its beats.

All rows of a page show their beats at the same x. Within one lead beats look
alike; where a row goes on with another lead, they look another way from there
on. How much more beats differ from column to column than within columns is an
F statistic: about 1 where a row shows one lead, far above where columns are
leads of their own. Where beats are too few for it, how much all differ tells.
"""

import functools

import numpy as np

from ecg_keras.models.layout.row_heights import PER_MM, steepness

# What is looked at before and after a beat's steepest place, mm.
BEFORE_MM, AFTER_MM = 3.0, 8.0
LEAST_APART_MM = 6.0
# Beats have so much of the steepness that the steepest have.
LEAST_STEEP = 0.4
# Beats differ by no less than this, mm, as they are read.
LEAST_MM = 0.15
# F from which on leads are others, and the most that one row tells.
OTHER_LEADS, MOST_TOLD = 5.0, 1.5
# The share of its beats' power by which a row's beats differ: a row of several
# leads has 0.34 and more, one of a single lead 0.01 to 0.35, more where beats
# themselves change. How much alike beats tell at most.
UNLIKE, MOST_ALIKE = 0.3, 3.0
# Units of evidence for each.
WEIGHT = 3.0
# Beats as low as this, mm, tell little.
FLAT_MM = 0.3
# Beats beyond one for each column that make it certain.
SURE_FREE = 4
# Of columns that show the same seconds so many beats, this share of them, stand
# at the same places to so much, mm; leads differ by so much in where they are
# steepest. The next beat after a column is as far as its neighbours, to so
# much.
LEAST_BEATS, MOST_BEATS, BEAT_OFF_MM, LEAD_OFF_MM = 3, 0.75, 0.5, 1.5
NEXT_MM = 2.0
# Beats whose distances differ by less are even, and repeat by chance where
# columns are a whole number of them apart, to so much. So many uneven ones do
# not. A real 3x4+1 page has four that do.
EVEN_MM, WHOLE_BEATS, SURE_BEATS = 1.5, 0.3, 5
# All rows of a page are steep at the same x, at least in a part of so many mm:
# the correlation with the others' steepness is 0.77 and more for traces on 18
# real pages, and up to 0.36 where a row is a frame, letters or paper's edge.
PART_MM, SAME_BEATS = 62.5, 0.5
# Fewer rows than this are no page with one row too many.
LEAST_ROWS = 3


def find_beats(heights, per_mm):
    """Where beats are.

    Args:
        heights: (rows, n) mm, of rows that show the same seconds.
        per_mm: samples a mm.

    Returns:
        (beats,) indices.
    """
    # Imported here: it takes a second, and the competition's pages need no
    # beats.
    from scipy.signal import find_peaks

    together = steepness(heights, per_mm).mean(axis=0)
    least = LEAST_STEEP * np.percentile(together, 99)
    return find_peaks(
        together, height=least, distance=max(round(LEAST_APART_MM * per_mm), 1)
    )[0]


def rows_with_beats(rows, sure=()):
    """Which rows of a page show its beats: others are no traces.

    Args:
        rows: list of `row_heights.RowHeights`.
        sure: indices of rows that are traces whatever they show.

    Returns:
        list of indices; all of them where less than `LEAST_ROWS` would stay.
    """
    x_start = np.median([row.x_start_mm for row in rows])
    x_end = np.median([row.x_end_mm for row in rows])
    x_mm = np.arange(x_start, max(x_end, x_start + 2), 1 / PER_MM)
    steep = steepness(np.stack([row.at(x_mm) for row in rows]))
    n_parts = max(round((x_end - x_start) / PART_MM), 1)
    kept = list(range(len(rows)))
    while len(kept) > LEAST_ROWS:
        alike = [
            np.inf if k in sure else _alike(steep, k, kept, n_parts)
            for k in kept
        ]
        least = int(np.argmin(alike))
        if alike[least] >= SAME_BEATS:
            break
        del kept[least]
    return kept


def _alike(steep, index, kept, n_parts):
    """How alike one of (rows, n) is to others, in the part where it is most."""
    own = steep[index]
    others = steep[[k for k in kept if k != index]].mean(axis=0)
    alike = []
    parts = zip(
        np.array_split(own, n_parts),
        np.array_split(others, n_parts),
        strict=True,
    )
    # At their end rows may share the edge of their paper.
    for a, b in list(parts)[: max(n_parts - 1, 1)]:
        a, b = a - a.mean(), b - b.mean()
        alike.append(a @ b / (np.sqrt((a @ a) * (b @ b)) + 1e-9))
    return max(alike)


def beat_shapes(heights, beats, per_mm):
    """Beats of rows, each less its median.

    Args:
        heights: (rows, n) mm.
        beats: indices of beats that lie wholly within, see `whole_beats`.
        per_mm: samples a mm.

    Returns:
        (rows, beats, samples) mm.
    """
    first, last = round(-BEFORE_MM * per_mm), round(AFTER_MM * per_mm)
    shapes = heights[:, beats[:, None] + np.arange(first, last)]
    if not len(beats):
        return shapes
    return shapes - np.median(shapes, axis=-1, keepdims=True)


def whole_beats(beats, n_samples, per_mm):
    """Those of some beats that are shown from before until after."""
    first, last = round(-BEFORE_MM * per_mm), round(AFTER_MM * per_mm)
    return beats[(beats + first >= 0) & (beats + last <= n_samples)]


def f_statistic(shapes, columns):
    """How much more beats differ between columns than within.

    Args:
        shapes: (beats, samples) mm of one row.
        columns: (beats,) number of the column in which each is.

    Returns:
        (F, certainty): from 0 to 1, by how many beats it is known; None where
        fewer than two columns have beats, or none has two.
    """
    numbers, counts = np.unique(columns, return_counts=True)
    n_free = len(columns) - len(numbers)
    if len(numbers) < 2 or n_free < 1:
        return None
    means = np.stack([shapes[columns == k].mean(axis=0) for k in numbers])
    within = shapes - means[np.searchsorted(numbers, columns)]
    within = np.square(within).mean(axis=1).sum() / n_free
    between = means - np.average(means, axis=0, weights=counts)
    between = counts @ np.square(between).mean(axis=1) / (len(numbers) - 1)
    return float(between / (within + LEAST_MM**2)), min(n_free / SURE_FREE, 1.0)


def unlikeness(shapes):
    """The share of beats' power, (beats, samples) mm, by which they differ."""
    off = np.square(shapes - shapes.mean(axis=0)).mean()
    return float(off / (np.square(shapes).mean() + FLAT_MM**2))


def same_seconds(first_mm, later_mm, apart_mm, strip_mm=None):
    """Whether two columns of rows show the same seconds, told by their beats.

    Args:
        first_mm, later_mm: (n,), (m,) x of the beats of one column's rows and
            of those of another, further right.
        apart_mm: how much further.
        strip_mm: (k,) x of the beats of rows that go on through both; None
            without such rows.

    Returns:
        True, False, or None where beats do not tell: they are few, or so even
        that they would stand there in either case.
    """
    if min(len(first_mm), len(later_mm)) < LEAST_BEATS:
        return None
    repeats = _stand_at(later_mm - apart_mm, first_mm)
    if strip_mm is not None:
        follows = _stand_at(later_mm, strip_mm)
    else:
        rr_mm = np.diff(first_mm)[-1], np.diff(later_mm)[0]
        next_mm = later_mm[0] - first_mm[-1]
        follows = min(rr_mm) - NEXT_MM < next_mm < max(rr_mm) + NEXT_MM
    if repeats:
        # Even or few beats stand there by chance.
        by_chance = repeat_by_chance(first_mm, apart_mm)
        by_chance |= min(len(first_mm), len(later_mm)) < SURE_BEATS
        return None if by_chance or strip_mm is not None and follows else True
    return False if follows else None


def repeat_by_chance(beats_mm, apart_mm):
    """Whether beats so far on stand at the same places, as by a clock.

    They do where beats are even and so far on is a whole number of them. One
    may be seen beside its place, as at an edge.

    Args:
        beats_mm: (n,) x, three at least.
        apart_mm: how far on.
    """
    rr_mm = np.diff(beats_mm)
    usual_mm = np.median(rr_mm)
    odd = np.abs(rr_mm - usual_mm).argmax()
    is_even = np.ptp(np.delete(rr_mm, odd)) < EVEN_MM
    off = apart_mm / usual_mm - round(apart_mm / usual_mm)
    return bool(is_even and abs(off) < WHOLE_BEATS)


def _stand_at(beats_mm, others_mm):
    """Whether beats of some leads stand where those of others do.

    Leads are steepest at moments that differ, always by as much.
    """
    inside = beats_mm > others_mm.min(initial=np.inf) - LEAD_OFF_MM
    inside &= beats_mm < others_mm.max(initial=-np.inf) + LEAD_OFF_MM
    if inside.sum() < LEAST_BEATS:
        return False
    off_mm = beats_mm[inside, None] - others_mm
    off_mm = off_mm[np.arange(len(off_mm)), np.abs(off_mm).argmin(axis=1)]
    usual_mm = np.median(off_mm)
    is_at = np.abs(off_mm - usual_mm) < BEAT_OFF_MM
    return bool(abs(usual_mm) < LEAD_OFF_MM and is_at.mean() > MOST_BEATS)


class RowBeats:
    """The beats of a page's rows.

    Attributes:
        x_mm: (beats,) where they are.
        shapes: (rows, beats, samples) mm.
    """

    def __init__(self, x_mm, shapes):
        self.x_mm, self.shapes = x_mm, shapes
        # Many kinds of pages ask the same.
        self.changes = functools.cache(self._changes)

    def _changes(self, row, columns):
        """For or against a row being of another lead in each column.

        Args:
            row: its index.
            columns: tuple of the number of the column in which each beat is.

        Returns:
            a number, or None where nothing tells.
        """
        shapes = self.shapes[row]
        if len(shapes) < 2:
            return None
        unlike = np.log(max(unlikeness(shapes), 1e-3) / UNLIKE)
        told = np.clip(unlike, -MOST_ALIKE, MOST_TOLD)
        found = f_statistic(shapes, np.array(columns, int))
        if found is not None:
            f, certainty = found
            by_f = np.log(max(f, 1e-3) / OTHER_LEADS)
            by_f = np.clip(by_f, -MOST_TOLD, MOST_TOLD)
            told = certainty * by_f + (1 - certainty) * told
        return WEIGHT * float(told)

    @classmethod
    def of(cls, rows, x_start_mm, x_end_mm):
        """Those of `row_heights.RowHeights` between two x."""
        x_mm = np.arange(x_start_mm, max(x_end_mm, x_start_mm + 2), 1 / PER_MM)
        heights = np.stack([row.at(x_mm) for row in rows])
        beats = whole_beats(find_beats(heights, PER_MM), len(x_mm), PER_MM)
        return cls(x_mm[beats], beat_shapes(heights, beats, PER_MM))

    def told(self, kind, first, x_start_mm, column_mm, x_end_mm):
        """For or against rows being of several leads where a kind says so.

        Args:
            kind: a `KnownLayout`.
            first: which row is its first.
            x_start_mm, column_mm: where its columns are.
            x_end_mm: where rows end.

        Returns:
            the sum of what its rows with several leads and those with one tell,
            each on mean.
        """
        # Few beats are told apart in halves only.
        n_parts = 4 if len(self.x_mm) >= 4 + SURE_FREE else 2
        part_mm = (x_end_mm - x_start_mm) / n_parts
        of_one, of_several = [], []
        for index, leads in enumerate(kind.rows):
            width = column_mm if len(leads) > 1 else part_mm
            column = np.floor((self.x_mm - x_start_mm) / width).astype(int)
            told = self.changes(first + index, tuple(column.tolist()))
            if told is None:
                continue
            if len(leads) > 1:
                of_several.append(told)
            else:
                of_one.append(-told)
        return sum(
            float(np.mean(told)) for told in (of_one, of_several) if told
        )

"""Checks of what was read on a page that need no truth.

Limb leads against Einthoven's and Goldberger's relations, prints of one lead
against each other, traces against the print on the page, pulses against the
gain: each says how much is wrong, and in words.
"""

import dataclasses

import cv2
import numpy as np

from ecg_keras.ecg.leads import RATE_HZ
from ecg_keras.models.layout.compared_rows import aligned
from ecg_keras.models.layout.pulses import FAINT_SHARE
from ecg_keras.models.layout.relations import disagreement, redundancy
from ecg_keras.models.layout.row_heights import PER_MM
from ecg_keras.models.layout.straight_page import PX_PER_MM
from ecg_keras.page.row_images import SAMPLE_MM

# Share of the power of leads that does not fit their relations.
DOUBTFUL_DISAGREEMENT, WRONG_DISAGREEMENT = 0.2, 0.6
DOUBTFUL_PRINTS = 0.1
# Share of the traces' samples that lie on print.
DOUBTFUL_ON_PRINT, WRONG_ON_PRINT = 0.85, 0.6
FOLLOWED_ON_PRINT = 0.95
# Squares of deviations, as a share of the traces' power: good pages are to be
# read to 15 dB. Real ones may be off by more than they seem to: the one real
# scan with a truth says 15.2 dB and has 12.7; at 16 dB it would be doubtful,
# and so would three clean pages of strangers.
DOUBTFUL_UNSURE = 10**-1.5
# A deviation counts as no more, mV, and ends of leads, this long, not at all.
MOST_UNSURE_MV, END_S = 2.0, 0.024
# From one sample at 500 Hz to the next: 1,100 recordings of PTB-XL have 2.4 mV
# at the most.
DOUBTFUL_JUMP_MV = 3.0
# Traces that go so far up or down within so much along the paper, mm, are edges
# of waves, and printed: of eight real pages most show 0.9 and more of theirs.
EDGE_MM, EDGE_ALONG_MM, ACROSS_MM, PRINTED_SHARE = 5.0, 0.3, 1.0, 0.5
# Of rows of which no pulse says that they are an ECG's. Real pages without one
# have 0.36, 0.17, 0 and 3.6 at the most.
UNLIKE_LEADS, UNLIKE_PRINTS, UNLIKE_SHARED_MM, UNLIKE_UNSURE = 0.35, 0.5, 50, 5
# The same where no names tell for them: an empty grid has 2.2, tables 0.27 and
# 0.5.
UNNAMED_UNSURE = 0.25
# Two rows that run this near to each other, mm, for so long in all are read
# from one print: where traces cross they part again.
ONE_PRINT_MM, DOUBTFUL_SHARED_MM = 0.5, 6.0
# Two rows that are one all along but for so little are no rows of an ECG.
ONE_ROW_SHARE = 0.85
# A trace lies on print that is this near.
NEAR_MM = 0.75
# Print as high as a wave's edge, mm, that is further than this from all traces
# along and across them, and no mark: marks are thinner, or stand at one x in
# several rows. It is looked for up to so far above and below all rows, mm. Of
# the 24 real pages that are good none has any.
STROKE_MM, THICK_MM, AROUND_MM, ABOVE_MM = 6.0, 0.5, (0.75, 1.0), 15.0
MARK_MM, HIGHEST_MARK_MM = 1.5, 15.0
# Another kind of page that fits nearly as well.
CLOSE_SCORE = 1.0
# Names tell which leads a page shows where so many are right, or all of three;
# of those beside its leads this share may be others'.
LEAST_NAMED, ALL_NAMED, MISNAMED_SHARE = 4, 3, 0.25
# With so many leads' names beside them a page is an ECG, whatever it shows.
SURELY_NAMED = 8
# Of so many leads' names on a page, or as many as it shows leads, half stand
# beside their leads at least.
TELLING_NAMES = 6
LIMB = "limb leads"
USUAL_STRIPS = ("II", "V1", "V5", "III", "V6")
# The gain that pulses tell and the one that is used.
GAIN_OFF = 0.12


@dataclasses.dataclass(frozen=True)
class Checks:
    """What is wrong with a reading.

    Attributes:
        doubts, faults: tuples of str, reasons to doubt it and to refuse it.
        numbers: dict of what was measured.
    """

    doubts: tuple
    faults: tuple
    numbers: dict


def check(page, layout, readings, pulses, candidates=(), is_named=False):
    """Check what was read.

    Args:
        page: `straight_page.StraightPage`.
        layout: the `PrintedLayout` that was read.
        readings: its `printed_rows.LeadReading`s.
        pulses: its pulses, `pulses.FoundPulse` or `printed_layout.Pulse`.
        candidates: list of `find.Candidate`, the one that was read first;
            none of a page whose layout is known.
        is_named: whether the user says which layout it is.

    Returns:
        `Checks`.
    """
    doubts, faults, numbers = [], [], {}
    shares = [_on_print(page, layout, reading) for reading in readings]
    shares = [share for share in shares if share is not None]
    on_print = float(np.mean(shares)) if shares else 0.0
    numbers["on_print"] = round(on_print, 3)
    unsure = _unsure_share(readings)
    numbers["unsure"] = round(unsure, 3)
    if unsure > DOUBTFUL_UNSURE:
        doubts.append(
            "the traces are not read surely: what they may be off by has "
            f"{unsure:.0%} of their power"
        )
    lead, jump_mv = _largest_jump(readings)
    numbers["jump_mv"] = round(jump_mv, 1)
    if jump_mv > DOUBTFUL_JUMP_MV:
        doubts.append(
            f"{lead} jumps by {jump_mv:.1f} mV within 2 ms: it was read on "
            "another print"
        )
    unprinted = _unprinted_edge(page, layout, readings)
    if unprinted is not None:
        lead, numbers["unprinted_mm"] = unprinted
        doubts.append(
            f"{lead} goes {numbers['unprinted_mm']:.0f} mm up or down where "
            "nothing is printed: it was read on another print"
        )
    shared = _shared_mm(layout, readings)
    numbers["shared_mm"] = round(shared, 1)
    if shared > DOUBTFUL_SHARED_MM:
        text = f"two rows are read from the same print for {shared:.0f} mm"
        longest_mm = max(row.x_end_mm - row.x_start_mm for row in layout.rows)
        is_one_row = shared > ONE_ROW_SHARE * longest_mm
        (faults if is_one_row else doubts).append(text)
    missed = _missed_strokes(page, layout, readings)
    numbers["missed_strokes"] = len(missed)
    if missed:
        doubts.append(
            f"print {max(missed):.0f} mm high is part of no trace that was "
            "read: a wave may have been missed"
        )
    for word, value in _disagreements(layout, readings).items():
        numbers[word] = round(value, 3)
        text = f"{word} do not agree: {value:.0%} of their power differs"
        # Where pulses were found and all traces lie on print, it may be the
        # page: a drawing, or electrodes confused. A strip may be of other
        # seconds.
        followed = pulses and on_print > FOLLOWED_ON_PRINT
        if value > WRONG_DISAGREEMENT and word == LIMB and not followed:
            faults.append(text)
        elif value > (
            DOUBTFUL_DISAGREEMENT if word == LIMB else DOUBTFUL_PRINTS
        ):
            doubts.append(text)
    if on_print < DOUBTFUL_ON_PRINT:
        text = f"only {on_print:.0%} of the traces read lie on print"
        (faults if on_print < WRONG_ON_PRINT else doubts).append(text)
    told = [k for k in numbers if k.startswith(("limb", "prints"))]
    if not told and not _is_named(candidates):
        text = "nothing on the page tells which leads it shows"
        # Nothing says that this is an ECG, or where traces are is not sure.
        unknown = not (pulses or is_named) or on_print < DOUBTFUL_ON_PRINT
        (faults if unknown else doubts).append(text)
    is_unnamed = bool(candidates) and not _is_named(candidates)
    most_unsure = UNNAMED_UNSURE if is_unnamed else UNLIKE_UNSURE
    n_named = candidates[0].n_named if candidates else 0
    is_ecg = pulses or is_named or n_named >= SURELY_NAMED
    if not is_ecg and _is_no_ecg(numbers, most_unsure):
        faults.append("no calibration pulse was found, and rows are no leads")
    doubts += _doubts_of_layout(candidates)
    if pulses:
        height = float(np.median([pulse.height_mm for pulse in pulses]))
        gain = layout.rows[0].gain_mm_per_mv
        numbers["pulse_mm"] = round(height, 2)
        if abs(height / gain - 1) > GAIN_OFF:
            doubts.append(
                f"calibration pulses are {height:.1f} mm high, at a gain of "
                f"{gain:g} mm/mV"
            )
    return Checks(tuple(doubts), tuple(faults), numbers)


def _is_no_ecg(numbers, most_unsure):
    """Whether what was measured tells against leads, where no pulse tells for
    them: bars of tables and curves of other signals are read, too.
    """
    prints = [value for key, value in numbers.items() if "prints" in key]
    # Two prints of a lead that are alike tell for it.
    alike = max(prints, default=1.0) < DOUBTFUL_PRINTS
    return (
        (numbers.get(LIMB, 0.0) > UNLIKE_LEADS and not alike)
        or max(prints, default=0.0) > UNLIKE_PRINTS
        or numbers["shared_mm"] > UNLIKE_SHARED_MM
        or numbers["unsure"] > most_unsure
    )


def _is_named(candidates):
    """Whether names tell which leads a page shows."""
    if not candidates:
        return False
    n_leads = sum(len(row) for row in candidates[0].rows)
    least = min(LEAST_NAMED, max(n_leads, ALL_NAMED))
    return candidates[0].n_named >= least


def _doubts_of_layout(candidates):
    """Reasons to doubt which kind of page it is."""
    if not candidates:
        return []
    doubts = []
    best = candidates[0]
    for other in candidates[1:]:
        close = other.score > best.score - CLOSE_SCORE
        if close and other.rows != best.rows:
            doubts.append(
                f"the page could also be {other.kind.name}: "
                + " / ".join(" ".join(row) for row in other.rows)
            )
            break
    if best.n_left_out:
        doubts.append(
            f"{best.n_left_out} more rows of traces are not part of a "
            f"{best.kind.name} page"
        )
    if best.strip_margin < CLOSE_SCORE:
        doubts.append("which leads the rhythm strips show is not sure")
    telling = min(TELLING_NAMES, sum(len(row) for row in best.rows))
    if best.n_misnamed > MISNAMED_SHARE * (best.n_named + best.n_misnamed):
        doubts.append(
            f"beside {best.n_misnamed} leads another one's name is printed"
        )
    elif telling <= best.n_printed > 2 * best.n_named:
        doubts.append(
            f"names of {best.n_printed} leads are printed, {best.n_named} of "
            "them beside their leads"
        )
    rare = [
        lead
        for lead in best.strips
        if lead not in (*USUAL_STRIPS, *best.named_strips)
    ]
    if rare:
        doubts.append(f"rhythm strips of {', '.join(rare)} are rare")
    return doubts


def _disagreements(layout, readings):
    """The worst disagreement of limb leads, and of prints of one lead."""
    worst = {}
    for together in _same_time(layout, readings):
        leads = [reading.segment.lead for reading, _, _ in together]
        own = [lead.lstrip("-") for lead in leads]
        every = max(round(RATE_HZ / layout.speed_mm_per_s / PER_MM), 1)
        heights = _heights(together)[:, ::every]
        shown = np.isfinite(heights).mean(axis=1) > 0.5
        leads, own = (
            [name for name, is_in in zip(names, shown, strict=True) if is_in]
            for names in (leads, own)
        )
        heights = heights[shown]
        heights = heights[:, np.isfinite(heights).all(axis=0)]
        if len(heights) < 2 or heights.shape[1] < 20:
            continue
        moved = aligned(heights)
        limb = [k for k, lead in enumerate(own) if lead in _LIMB]
        groups = {LIMB: limb}
        for lead in set(own):
            same = [k for k, other in enumerate(own) if other == lead]
            if len(same) > 1:
                groups[f"prints of {lead}"] = same
        for word, members in groups.items():
            names = [leads[k] for k in members]
            if len(names) < 2 or not redundancy(names):
                continue
            off = min(
                share * weight
                for share, weight in (
                    disagreement(names, rows[members])
                    for rows in (heights, moved)
                )
            )
            worst[word] = max(worst.get(word, 0.0), off)
    return worst


_LIMB = {"I", "II", "III", "aVR", "aVL", "aVF"}


def _same_time(layout, readings):
    """Groups of (reading, from, to) in s that show the same seconds."""
    speed = layout.speed_mm_per_s
    spans = [
        (
            reading,
            reading.segment.time_start_s,
            reading.segment.time_start_s + reading.segment.width_mm / speed,
        )
        for reading in readings
    ]
    usual = np.median([stop - start for _, start, stop in spans])
    # Not those of strips: they are of other seconds as well.
    columns = [
        (start, stop) for _, start, stop in spans if stop - start <= 1.1 * usual
    ]
    for start, stop in sorted(set(columns)):
        yield [
            (reading, start - first, stop - first)
            for reading, first, last in spans
            if first <= start + 0.02 and last >= stop - 0.1
        ]


def _heights(together):
    """(n, T) mV of readings in the same seconds, at 500 Hz."""
    parts = [
        reading.signal_mv[round(start * 500) : round(stop * 500)]
        for reading, start, stop in together
    ]
    n_samples = min(len(part) for part in parts)
    # As mm at 10 mm/mV, in which `relations` counts what is flat.
    return np.stack([10 * part[:n_samples] for part in parts])[:, 10:-10]


def _unsure_share(readings):
    """Squares of deviations of all readings, as a share of their power."""
    n_end = round(END_S * RATE_HZ)
    power = off = 0.0
    for reading in readings:
        signal = reading.signal_mv[n_end:-n_end]
        seen = np.isfinite(signal)
        if not seen.any():
            continue
        signal = signal[seen] - np.median(signal[seen])
        std = reading.std_mv[n_end:-n_end][seen].clip(0, MOST_UNSURE_MV)
        power += np.square(signal).sum()
        off += np.square(std).sum()
    return float(off / power) if power else 0.0


def _largest_jump(readings):
    """The lead that changes most within a sample, and by how many mV."""
    jumps = {
        reading.segment.lead: float(
            np.nanmax(np.abs(np.diff(reading.signal_mv)), initial=0.0)
        )
        for reading in readings
    }
    lead = max(jumps, key=jumps.get)
    return lead, jumps[lead]


def _unprinted_edge(page, layout, readings):
    """The lead with the highest edge of which too little is printed.

    Returns:
        (lead, mm), or None.
    """
    n = round(EDGE_ALONG_MM / SAMPLE_MM)
    found = []
    for reading in readings:
        height_mm = reading.height_mm
        if len(height_mm) <= n:
            continue
        edge_mm = np.abs(height_mm[n:] - height_mm[:-n])
        left = np.where(edge_mm > EDGE_MM, edge_mm, 0.0)
        while left.max() > 0:
            k = int(left.argmax())
            left[max(k - 2 * n, 0) : k + 2 * n] = 0.0
            x_mm = reading.segment.x_start_mm + SAMPLE_MM * (k + n / 2)
            # Its ends lie on the trace before and after.
            low_mm, high_mm = sorted((height_mm[k], height_mm[k + n]))
            y_mm = layout.rows[reading.row].zero_y_mm - np.arange(
                low_mm + ACROSS_MM, high_mm - ACROSS_MM, 1 / PX_PER_MM
            )
            share = _inked(page, x_mm, y_mm)
            if share is not None and share < PRINTED_SHARE:
                found.append((reading.segment.lead, float(edge_mm[k])))
    return max(found, key=lambda edge: edge[1], default=None)


def _inked(page, x_mm, y_mm):
    """Share of the points of an upright line, (n,) y, that lie on print.

    None where the picture does not show them all.
    """
    columns = page.column(x_mm + np.arange(-NEAR_MM, NEAR_MM + 0.1, 0.25))
    columns, rows = (
        np.round(values).astype(int) for values in (columns, page.row(y_mm))
    )
    height, width = page.ink.shape
    if columns.min() < 0 or columns.max() >= width:
        return None
    if rows.min() < 0 or rows.max() >= height:
        return None
    part = np.ix_(rows, columns)
    if not page.inside[part].all():
        return None
    return float((page.ink[part].max(axis=1) > FAINT_SHARE).mean())


def _shared_mm(layout, readings):
    """For how long rows are read from the print of the row beside them, mm.

    Of the two rows of which that is longest.
    """
    starts = [reading.segment.x_start_mm for reading in readings]
    first = min(starts)
    ends = [reading.segment.x_end_mm for reading in readings]
    n_columns = round((max(ends) - first) / SAMPLE_MM) + 2
    y_mm = np.full((len(layout.rows), n_columns), np.nan)
    for reading, start in zip(readings, starts, strict=True):
        column = round((start - first) / SAMPLE_MM)
        height = reading.height_mm[: n_columns - column]
        zero = layout.rows[reading.row].zero_y_mm
        y_mm[reading.row, column : column + len(height)] = zero - height
    near = np.abs(np.diff(y_mm, axis=0)) < ONE_PRINT_MM
    return float(near.sum(axis=1).max(initial=0) * SAMPLE_MM)


def _missed_strokes(page, layout, readings):
    """Heights in mm of upright strokes that no trace explains, [] of none."""
    x_mm = page.x_mm(np.arange(page.ink.shape[1]))
    y_mm = page.y_mm(np.arange(page.ink.shape[0]))
    left_over = page.is_print
    edges_mm = []
    for reading in readings:
        left_over = left_over & ~_around(layout, reading, x_mm, y_mm)
        edges_mm += reading.segment.x_start_mm, reading.segment.x_end_mm
    zero_y_mm = [row.zero_y_mm for row in layout.rows]
    for low, high, at_mm in (
        (min(edges_mm), max(edges_mm), x_mm[None]),
        (
            min(zero_y_mm) - ABOVE_MM,
            max(zero_y_mm) + ABOVE_MM,
            y_mm[:, None],
        ),
    ):
        left_over = left_over & (at_mm > low) & (at_mm < high)
    for pulse in layout.pulses:
        edges_mm += pulse.x_start_mm, pulse.x_end_mm
    for edge in edges_mm:
        left_over[:, np.abs(x_mm - edge) < MARK_MM] = False
    upright = cv2.morphologyEx(
        left_over.astype(np.uint8),
        cv2.MORPH_OPEN,
        np.ones((round(STROKE_MM * PX_PER_MM), 1), np.uint8),
    )
    _, _, stats, _ = cv2.connectedComponentsWithStats(upright, connectivity=8)
    x, width, height = stats[1:, [0, 2, 3]].T / PX_PER_MM
    middle = x + width / 2
    alike = np.abs(middle[:, None] - middle) < MARK_MM
    is_mark = (alike.sum(axis=1) > 1) & (height < HIGHEST_MARK_MM)
    is_stroke = (width >= THICK_MM) & ~is_mark
    return height[is_stroke].tolist()


def _around(layout, reading, x_mm, y_mm):
    """(h, w) bool, what is near a trace."""
    along_mm, across_mm = AROUND_MM
    height = reading.height_mm
    seen = np.isfinite(height)
    if not seen.any():
        return np.zeros((len(y_mm), len(x_mm)), bool)
    at_mm = reading.segment.x_start_mm + SAMPLE_MM * np.arange(len(height))
    near = np.linspace(-along_mm, along_mm, 13)[:, None]
    heights = np.interp(x_mm + near, at_mm[seen], height[seen])
    above_mm = layout.rows[reading.row].zero_y_mm - y_mm[:, None]
    inside = above_mm > heights.min(axis=0) - across_mm
    inside &= above_mm < heights.max(axis=0) + across_mm
    inside &= x_mm > at_mm[0] - along_mm
    return inside & (x_mm < at_mm[-1] + along_mm)


def _on_print(page, layout, reading):
    """Share of a reading's samples that lie on print, edges left out.

    None of a reading that lies beyond the picture.
    """
    height = reading.height_mm
    x_mm = reading.segment.x_start_mm + SAMPLE_MM * np.arange(len(height))
    y_mm = layout.rows[reading.row].zero_y_mm - height
    columns = np.round(page.column(x_mm)).astype(int)
    rows = np.round(page.row(y_mm)).astype(int)
    reach = round(NEAR_MM * PX_PER_MM)
    n_rows, n_columns = page.ink.shape
    is_print = page.ink > FAINT_SHARE
    seen = np.zeros(len(height), bool)
    inside = (columns >= 0) & (columns < n_columns)
    inside &= page.inside[
        rows.clip(0, n_rows - 1), columns.clip(0, n_columns - 1)
    ]
    for down in range(-reach, reach + 1):
        at = (rows + down).clip(0, n_rows - 1)
        seen |= is_print[at, columns.clip(0, n_columns - 1)]
    seen = seen[inside][40:-40]
    return float(seen.mean()) if len(seen) else None

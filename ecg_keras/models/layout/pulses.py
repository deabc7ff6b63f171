"""Calibration pulses: a plateau with two edges at an end of a row.

A pulse is 1 mV high, so that its height is the gain, and mostly 0.2 s long. Of
a page that was cut off at its left edge a half of it may be left: a plateau and
its falling edge.
"""

import dataclasses

import cv2
import numpy as np

from ecg_keras.models.layout.straight_page import PRINT_SHARE, PX_PER_MM

GAINS_MM_PER_MV = (2.5, 5.0, 10.0, 20.0)
WIDTHS_MM = np.arange(2.0, 12.6, 0.25)
# A pulse is looked for so far before and after the ends of rows.
BEFORE_MM = 16.0
WITHIN_MM = 18.0
# At the right no more than so much of a row is behind it: its foot.
BEHIND_MM = 6.0
# Its foot lies so far from the row's line, mm; its height errs by so much.
FOOT_MM = 9.0
HEIGHT_OFF = (-0.03, 0.0, 0.03)
# Small steps are common in traces: what a pulse of a gain has to be seen more,
# and for each mm that its foot is off the row's line.
LESS_LIKELY = {2.5: 0.22, 5.0: 0.05, 10.0: 0.0, 20.0: 0.02}
# The same of a half pulse of another gain than 10 mm/mV.
HALF_LESS_LIKELY = 0.12
# Rows begin so near to the picture's side where that cuts them, mm.
AT_SIDE_MM = 4.0
# The tip of a wave at the picture's edge is narrower than what is left of one.
LEAST_HALF_MM = 1.75
# Of these gains a pulse is at least so wide, mm: waves are as high.
LEAST_WIDTH_MM = {2.5: 3.5, 5.0: 2.0, 10.0: 2.0, 20.0: 2.0}
OFF_LINE = 0.008
# Pulses may be fainter than traces.
FAINT_SHARE = 0.18
ONE = np.float32(1)
LOW_MM, LOW_SHARE = 3.5, 0.75
# A pulse of 10 mm/mV is as high but for this share.
USUAL_OFF = 0.15
# Of places alike, the one that lies on the thin lines themselves.
THIN = 0.03
# Edges end at plateau and foot: print there beyond them, from and to, mm.
BEYOND_MM = (0.75, 1.75)
# Edges and plateau, seen for so much of their length, less what is inside.
LEAST_SEEN = 0.75
# Pulses of a side are as high, but for this share.
AS_HIGH = 0.12
# Where so many rows have one, others may have one so near to its place, mm,
# that stands so far from all others.
LEAST_ALIKE, MISSED_NEAR_MM, SAME_FOOT_MM = 3, 1.5, 3.0
# An empty stretch inside the pulse and above it, in mm.
CLEAR_MM = 1.0
# Pulses before later columns are as those at the left, to so many mm along x,
# of foot and of width; they stand in so many of the rows that have one at the
# left, at one x to so many mm, no nearer to each other.
LIKE_FOOT_MM, LIKE_WIDTH_MM = 1.5, 0.5
BETWEEN_SHARE, BETWEEN_MM, BETWEEN_APART_MM = 0.6, 0.75, 20.0
# Traces end before such a pulse where so many rows show no ink so near to its
# foot, if that is seen so far before it; else so near to its edge, as after it.
BLANK_SHARE, BLANK_NEAR_MM, BLANK_BEFORE_MM, EDGE_FOOT_MM = 0.6, 5.0, 7.0, 0.75


@dataclasses.dataclass(frozen=True)
class FoundPulse:
    """A calibration pulse on the page.

    Attributes:
        row: index of the row at whose end it stands.
        side: "left" or "right".
        x_start_mm, x_end_mm: its rising and falling edge; of a half pulse the
            former is where the picture begins.
        foot_y_mm: where it stands.
        height_mm: of its plateau over its foot.
        seen: 0 to 1.
        is_half: whether its rising edge is cut off.
        is_within: whether it is cut off within the picture, as on a slide.
    """

    row: int
    side: str
    x_start_mm: float
    x_end_mm: float
    foot_y_mm: float
    height_mm: float
    seen: float
    is_half: bool = False
    is_within: bool = False

    @property
    def width_mm(self):
        return self.x_end_mm - self.x_start_mm


def find_pulses(page, rows):
    """Pulses at the ends of rows.

    Args:
        page: `straight_page.StraightPage`.
        rows: list of `trace_rows.TraceRow`.

    Returns:
        list of `FoundPulse`; those that most rows have at one place, or of one
        row alone where it is seen as well as can be.
    """
    for least_ink in (PRINT_SHARE, FAINT_SHARE):
        found = _found_pulses(page, rows, (page.ink > least_ink) * ONE)
        if found:
            return found
    return []


def gaps_with_pulses(page, pulses):
    """Where columns end and the next begin, with a pulse in between.

    Args:
        page: `straight_page.StraightPage`.
        pulses: list of `FoundPulse`, see `find_pulses`.

    Returns:
        list of (end, start) x in mm, ascending.
    """
    feet = page.row([pulse.foot_y_mm for pulse in pulses])
    reach = round(BLANK_NEAR_MM * PX_PER_MM)
    gaps = []
    for rising, falling in find_between(page, pulses):
        start, end = rising - EDGE_FOOT_MM, falling + EDGE_FOOT_MM
        before = page.column([rising - BLANK_BEFORE_MM, rising])
        columns = slice(*before.round().astype(int).clip(0, None))
        shown = [
            (page.is_print[max(y - reach, 0) : y + reach, columns]).any(axis=0)
            for y in feet.round().astype(int).clip(0, None)
        ]
        blank = np.mean(shown, axis=0) <= 1 - BLANK_SHARE
        if blank.any():
            last = int(np.flatnonzero(blank)[-1])
            inked = np.flatnonzero(~blank[:last])
            first = inked[-1] + 1 if len(inked) else 0
            start = float(page.x_mm(columns.start + first)) - 0.5 / PX_PER_MM
        gaps.append((start, end))
    return gaps


def find_between(page, pulses):
    """Pulses before later columns, as some devices print one for each.

    Args:
        page: `straight_page.StraightPage`.
        pulses: list of `FoundPulse`, see `find_pulses`.

    Returns:
        (n, 2) x in mm of their rising and falling edges, ascending.
    """
    left = [p for p in pulses if p.side == "left" and not p.is_half]
    if len(left) < 2:
        return np.zeros((0, 2))
    print_px = (page.ink > PRINT_SHARE) * ONE
    width_mm = float(np.median([pulse.width_mm for pulse in left]))
    height_mm = float(np.median([pulse.height_mm for pulse in left]))
    seen = [
        _seen_along(page, print_px, pulse, width_mm, height_mm)
        for pulse in left
    ]
    near = np.ones(2 * round(BETWEEN_MM * PX_PER_MM) + 1, np.uint8)[None]
    is_seen = [cv2.dilate(own[None], near)[0] > LEAST_SEEN for own in seen]
    likely = np.sum(is_seen, axis=0) + np.mean(seen, axis=0)
    first = max(pulse.x_end_mm for pulse in left) + BETWEEN_APART_MM
    x_mm = page.x_mm(np.arange(len(likely)))
    last = min(
        (pulse.x_start_mm for pulse in pulses if pulse.side == "right"),
        default=np.inf,
    )
    likely[(x_mm < first) | (x_mm > last - BETWEEN_APART_MM)] = 0
    # Strips have none.
    least = max(BETWEEN_SHARE * len(left), 2)
    starts = []
    while likely.max() >= least:
        start = x_mm[int(likely.argmax())]
        starts.append(float(start))
        likely[np.abs(x_mm - start) < BETWEEN_APART_MM] = 0
    return np.array([(x, x + width_mm) for x in sorted(starts)]).reshape(-1, 2)


def _seen_along(page, image, like, width_mm, height_mm):
    """(w,) float32, how well a pulse is seen that begins at each column.

    Args:
        page: `straight_page.StraightPage`.
        image: (h, w) of 0 and 1.
        like: `FoundPulse` of the same row.
        width_mm, height_mm: of the pulse.
    """
    best = np.zeros(image.shape[1], np.float32)
    left_mm, right_mm = page.x_mm([0, image.shape[1]])
    window = _window(page, image, like.foot_y_mm, left_mm, right_mm)
    if window is None:
        return best
    part, first, zero = window
    down, right, both = _sums(part)
    height = round(height_mm * PX_PER_MM)
    clear = round(CLEAR_MM * PX_PER_MM)
    reach = round(LIKE_FOOT_MM * PX_PER_MM)
    for foot in range(zero - reach, zero + reach + 1):
        top = foot - height
        if top - clear < 0 or foot >= part.shape[0]:
            continue
        edge = (down[foot] - down[top]) / height - _beyond(down, top, foot)
        over = _over(down, top)
        for off_mm in (-LIKE_WIDTH_MM, 0.0, LIKE_WIDTH_MM):
            width = round((width_mm + off_mm) * PX_PER_MM)
            n = part.shape[1] - width
            if n <= 0 or width < 1:
                continue
            plateau = (right[top, width : width + n] - right[top, :n]) / width
            seen = np.minimum(np.minimum(edge[:n], edge[width:]), plateau)
            seen = seen - _inside(both, top, foot, width, n, clear)
            seen -= over[width // 2 : width // 2 + n]
            own = best[first : first + n]
            np.maximum(own, seen, out=own)
    return best


def _found_pulses(page, rows, print_px):
    """`find_pulses` in (h, w) of 0 and 1."""
    pulses = []
    for index, row in enumerate(rows):
        for side, x_mm in (("left", row.x_start_mm), ("right", row.x_end_mm)):
            before, after = (
                (BEFORE_MM, WITHIN_MM)
                if side == "left"
                else (WITHIN_MM, BEFORE_MM)
            )
            found = _best_pulse(
                page, print_px, row.zero_y_mm, x_mm - before, x_mm + after
            )
            if found is None and side == "left":
                found = _half_pulse(page, print_px, row)
            if found is None:
                continue
            pulse = FoundPulse(index, side, *found)
            # Waves are high and flat, too.
            if side == "left" or row.x_end_mm - pulse.x_end_mm < BEHIND_MM:
                pulses.append(pulse)
    sides = []
    for side in ("left", "right"):
        alike = _alike([pulse for pulse in pulses if pulse.side == side])
        alike = _with_missed(page, rows, print_px, alike)
        # These are as waves are: only if most rows have them.
        rare = alike and _may_be_waves(alike[0])
        if not rare or len(alike) >= max(LOW_SHARE * len(rows), 2):
            sides.append(alike)
    # A device prints them at one side or at both; a raised ST segment at the
    # end of some rows looks like one.
    most = max(map(len, sides), default=0)
    return [p for side in sides if len(side) > most / 2 for p in side]


def _may_be_waves(pulse):
    """Whether beats look like a pulse: the lowest ones, halves within the
    picture and, of another height than nearly all devices print, those where
    the picture begins within a beat, and those at the right, which ST segments
    are like.
    """
    is_usual = abs(pulse.height_mm / GAINS_MM_PER_MV[2] - 1) < USUAL_OFF
    is_beat_like = pulse.is_half or pulse.side == "right"
    is_rare = is_beat_like and not is_usual
    return pulse.height_mm < LOW_MM or pulse.is_within or is_rare


def _alike(pulses):
    """Those pulses of a side that agree in place and size."""
    if not pulses:
        return []
    ends = np.array([pulse.x_end_mm for pulse in pulses])
    heights = np.array([pulse.height_mm for pulse in pulses])
    same = np.abs(ends[:, None] - ends) < 2.0
    same &= np.abs(heights[:, None] / heights - 1) < AS_HIGH
    best = same[int(same.sum(axis=1).argmax())]
    kept = [pulse for pulse, is_in in zip(pulses, best, strict=True) if is_in]
    if len(kept) == 1 and (kept[0].seen < 0.9 or kept[0].is_half):
        return []
    return kept


def _with_missed(page, rows, print_px, alike):
    """Pulses of a side, and those at their place of rows that begin elsewhere
    by their ink, where traces of two rows cross.
    """
    if len(alike) < LEAST_ALIKE or alike[0].is_half:
        return alike
    start_mm, end_mm, height_mm = np.median(
        [(p.x_start_mm, p.x_end_mm, p.height_mm) for p in alike], axis=0
    )
    pulses = list(alike)
    for index in sorted(set(range(len(rows))) - {p.row for p in alike}):
        found = _best_pulse(
            page,
            print_px,
            rows[index].zero_y_mm,
            start_mm - MISSED_NEAR_MM,
            end_mm + MISSED_NEAR_MM,
        )
        if found is None:
            continue
        pulse = FoundPulse(index, alike[0].side, *found)
        is_other = all(
            abs(pulse.foot_y_mm - p.foot_y_mm) > SAME_FOOT_MM for p in pulses
        )
        if is_other and abs(pulse.height_mm / height_mm - 1) < AS_HIGH:
            pulses.append(pulse)
    return sorted(pulses, key=lambda pulse: pulse.row)


def _window(page, image, zero_y_mm, left_mm, right_mm):
    """(print seen within a pixel, first column, row of the zero line)."""
    height, width = image.shape
    first = max(round(float(page.column(left_mm))), 0)
    last = min(round(float(page.column(right_mm))), width)
    zero = round(float(page.row(zero_y_mm)))
    reach = round((max(GAINS_MM_PER_MV) * 1.05 + FOOT_MM + 2) * PX_PER_MM)
    top = zero - reach
    part = image[max(top, 0) : zero + round((FOOT_MM + 1) * PX_PER_MM),
                 first:last]  # fmt: skip
    if not part.size:
        return None
    part = np.pad(part, ((max(-top, 0), 0), (0, 0)))
    return cv2.dilate(part, np.ones((3, 3), np.uint8)), first, zero - top


def _sums(part):
    """Sums from the top and from the left, with a row and column of zeros."""
    down = np.pad(np.cumsum(part, axis=0), ((1, 0), (0, 0)))
    right = np.pad(np.cumsum(part, axis=1), ((0, 0), (1, 0)))
    both = np.pad(np.cumsum(np.cumsum(part, axis=0), axis=1), ((1, 0), (1, 0)))
    return down, right, both


def _best_pulse(page, image, zero_y_mm, left_mm, right_mm):
    """(x_start, x_end, foot, height, seen) of a whole pulse, or None."""
    window = _window(page, image, zero_y_mm, left_mm, right_mm)
    if window is None or window[0].shape[1] < 4 * PX_PER_MM:
        return None
    part, first, zero = window
    down, right, both = _sums(part)
    n_columns = part.shape[1]
    thin = cv2.erode(part, np.ones((3, 3), np.uint8))
    thin_down = np.pad(np.cumsum(thin, axis=0), ((1, 0), (0, 0)))
    best = (LEAST_SEEN, None)
    clear = round(CLEAR_MM * PX_PER_MM)
    for gain in GAINS_MM_PER_MV:
        for off in HEIGHT_OFF:
            height = round(gain * (1 + off) * PX_PER_MM)
            for foot in range(
                zero - round(FOOT_MM * PX_PER_MM),
                zero + round(FOOT_MM * PX_PER_MM) + 1,
            ):
                top = foot - height
                if top - clear < 0 or foot >= part.shape[0]:
                    continue
                edge = (down[foot] - down[top]) / height
                edge = edge - _beyond(down, top, foot)
                over = _over(down, top)
                thin_edge = THIN * (thin_down[foot] - thin_down[top]) / height
                edge = edge - LESS_LIKELY[gain]
                edge = edge - OFF_LINE * abs(foot - zero) / PX_PER_MM
                if edge.max() + 2 * THIN < best[0]:
                    continue
                for width_mm in WIDTHS_MM:
                    width = round(width_mm * PX_PER_MM)
                    n = n_columns - width
                    if n <= 0:
                        break
                    if width_mm < LEAST_WIDTH_MM[gain]:
                        continue
                    edges = np.minimum(edge[:n], edge[width : width + n])
                    if edges.max() + 2 * THIN < best[0]:
                        continue
                    plateau = (
                        right[top, width : width + n] - right[top, :n]
                    ) / width
                    seen = np.minimum(edges, plateau) - _inside(
                        both, top, foot, width, n, clear
                    )
                    seen += thin_edge[:n] + thin_edge[width : width + n]
                    seen -= over[width // 2 : width // 2 + n]
                    place = int(seen.argmax())
                    if seen[place] > best[0]:
                        best = (
                            float(seen[place]),
                            (place, width, foot, height),
                        )
    if best[1] is None:
        return None
    place, width, foot, height = best[1]
    x_start = float(page.x_mm(first + place))
    foot_mm = zero_y_mm + (foot - zero) / PX_PER_MM
    return (
        x_start, x_start + width / PX_PER_MM, foot_mm, height / PX_PER_MM,
        best[0],
    )  # fmt: skip


def _beyond(down, top, foot):
    """How much print goes on above and below an edge, for each column."""
    near, far = (round(mm * PX_PER_MM) for mm in BEYOND_MM)
    last = len(down) - 1
    above = down[max(top - near, 0)] - down[max(top - far, 0)]
    below = down[min(foot + far, last)] - down[min(foot + near, last)]
    return 0.3 * (above + below) / (far - near)


def _over(down, top):
    """How much print there is above a plateau, for each column."""
    near, far = (round(mm * PX_PER_MM) for mm in BEYOND_MM)
    above = down[max(top - near, 0)] - down[max(top - far, 0)]
    return 0.3 * above / (far - near)


def _inside(both, top, foot, width, n, clear):
    """How much print the box between the edges holds, for each place."""
    clear = min(clear, width // 4)
    low, high = foot - PX_PER_MM, top + PX_PER_MM
    left, right = clear, width - clear
    if low <= high or right <= left:
        return np.zeros(n)
    columns = np.arange(n)
    total = (
        both[low, columns + right] - both[high, columns + right]
        - both[low, columns + left] + both[high, columns + left]
    )  # fmt: skip
    return total / ((low - high) * (right - left))


def _half_pulse(page, image, row):
    """A plateau that begins where the picture does, and its falling edge.

    Of a picture of a cut page, such as a slide shows, it begins with the paper,
    or with the row.
    """
    shown = np.flatnonzero(
        page.inside[int(np.clip(page.row(row.zero_y_mm), 0, None))
                    if page.row(row.zero_y_mm) < len(page.inside) else -1]
    )  # fmt: skip
    if not len(shown):
        return None
    edge_mm = float(page.x_mm(shown[0]))
    is_within = row.x_start_mm - edge_mm > AT_SIDE_MM
    for further_mm in (page.edges_mm[0], row.x_start_mm):
        if row.x_start_mm - edge_mm > AT_SIDE_MM:
            edge_mm = max(edge_mm, further_mm)
    window = _window(page, image, row.zero_y_mm, edge_mm, edge_mm + 9.0)
    if window is None:
        return None
    part, first, zero = window
    down, right, both = _sums(part)
    best = (0.8, None)
    least = round(LEAST_HALF_MM * PX_PER_MM)
    for gain in GAINS_MM_PER_MV[1:]:
        height = round(gain * PX_PER_MM)
        for foot in range(
            zero - round(FOOT_MM * PX_PER_MM),
            zero + round(FOOT_MM * PX_PER_MM) + 1,
        ):
            top = foot - height
            if top < 0 or foot >= part.shape[0]:
                continue
            edge = (down[foot] - down[top]) / height
            edge = edge - _beyond(down, top, foot)
            edge = edge - HALF_LESS_LIKELY * (gain != GAINS_MM_PER_MV[2])
            # From the picture's edge on: a pixel or two may be missing there.
            start = 2
            for width in range(least, part.shape[1] - 2):
                plateau = (right[top, width] - right[top, start]) / (
                    width - start
                )
                after = part[top, width + 2 :].mean()
                seen = min(edge[width], plateau) - 0.5 * after
                if seen > best[0]:
                    best = (seen, (width, foot, height))
    if best[1] is None:
        return None
    width, foot, height = best[1]
    return (
        edge_mm, float(page.x_mm(first + width)),
        row.zero_y_mm + (foot - zero) / PX_PER_MM, height / PX_PER_MM,
        float(best[0]), True, is_within,
    )  # fmt: skip

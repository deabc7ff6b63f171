"""Pages of PDFs that hold the traces as paths: samples without any pixel.

paths and text of the page, mm from its grid
    -> chains of points that run from left to right: traces
    -> lead names, which stand at one offset from the traces' beginnings
    -> time from x by the paper speed, voltage from y by the gain

Devices write one path a lead, one a stretch of it, or one for each line of two
points; a row of several leads may be one path, with its calibration pulse.
"""

import dataclasses
import re

import numpy as np

from ecg_keras.documents.pdf_contents import POINTS_PER_MM, read_contents
from ecg_keras.ecg.digitized import DOUBTFUL, FROM_VECTOR, GOOD, DigitizedEcg
from ecg_keras.ecg.leads import LEADS, N_LEADS, RATE_HZ
from ecg_keras.ecg.resampling import resample

# A trace has at least this many points and is this long.
MIN_POINTS, MIN_LENGTH_MM = 40, 12.0
# Names stand at one offset from where traces begin, up to this.
MAX_NAME_OFFSET_MM, NAME_TOLERANCE_MM = 25.0, 5.0
# A page is read where at least this many leads have a trace and a name.
MIN_LEADS = 3
# Lines of one direction that make a grid.
MIN_GRID_LINES = 12
# Pulses and the grid have to agree on the scale.
MAX_SCALE_ERROR = 0.03
# Coordinates of a step whose error has more than this share of a trace's power
# (22 dB) are too coarse.
MAX_ROUNDING_SHARE = 10**-2.2
# The least standard deviation of a trace that is compared with rounding.
LEAST_MV = 0.05
# Of a lattice, this share of the gaps are whole steps, to this share of a step.
_ON_LATTICE, _OFF_STEP = 0.9, 0.1
# Einthoven: a larger share of II's power says that leads are mistaken.
MAX_EINTHOVEN_SHARE = 0.05
_NUMBER = r"(\d+(?:[.,]\d+)?)\s*mm\s*/\s*"
_SPEED = re.compile(_NUMBER + r"s(?![a-z])", re.IGNORECASE)
_GAIN = re.compile(_NUMBER + r"mv", re.IGNORECASE)
_NAMES = {lead.lower(): lead for lead in LEADS}


@dataclasses.dataclass(frozen=True, eq=False)
class VectorReading:
    """What a page's paths give.

    Attributes:
        digitized: `DigitizedEcg`.
        traces: list of (lead, times, places): (n,) s of its points from the
            page's first sample, and (n, 2) x and y as shares of the width and
            height of the page as it is seen.
    """

    digitized: DigitizedEcg
    traces: list


@dataclasses.dataclass
class Trace:
    """Points of a trace, in mm from the page's corner, y down.

    Attributes:
        xy_mm: (n, 2), x never falls.
        name: the lead, once it is known.
    """

    xy_mm: np.ndarray
    name: str | None = None

    @property
    def x_mm(self):
        return self.xy_mm[0, 0]

    @property
    def end_mm(self):
        return self.xy_mm[-1, 0]

    @property
    def y_mm(self):
        return float(np.median(self.xy_mm[:, 1]))


def read_page(path, index):
    """`DigitizedEcg` of a page; see `read_traces`."""
    reading = read_traces(path, index)
    return reading and reading.digitized


def read_traces(path, index):
    """Read the traces that a page of a PDF holds as paths.

    Zero mV is a pulse's foot where a row has a pulse, else the trace's median.

    Args:
        path: the file.
        index: number of the page, from 0.

    Returns:
        `VectorReading`, or None where the page has no such traces, or not
        enough is printed beside them to know what they are.

    Raises:
        InputError: see `pdf.opened`.
    """
    contents = read_contents(path, index)
    from_grid = _grid_mm_pt(contents.lines)
    for mm_pt in (from_grid, POINTS_PER_MM):
        if mm_pt is not None:
            found = _read(contents, mm_pt, mm_pt == from_grid)
            if found:
                return found
    return None


def grid_mm_pt(path, index):
    """Points of 1/72 inch for each mm of the grid that a page draws, or None.

    Raises:
        InputError: see `pdf.opened`.
    """
    return _grid_mm_pt(read_contents(path, index).lines)


def _read(contents, mm_pt, has_grid):
    chains = [chain / mm_pt for chain in contents.chains]
    traces, pulses = _traces_and_pulses(chains)
    names = [
        (_NAMES[word.text.lower()], np.array(word.xy_pt) / mm_pt)
        for word in contents.words
        if word.text.lower() in _NAMES
    ]
    traces = _named(traces, names)
    if len({trace.name for trace in traces}) < MIN_LEADS:
        return None
    reasons = []
    speed = _only_number(_SPEED, contents.text)
    gain = _only_number(_GAIN, contents.text)
    if speed is None or gain is None:
        return None
    heights_mm = [pulse.height_mm for pulse in pulses]
    if heights_mm:
        scale = np.median(heights_mm) / gain
        if abs(scale - 1) > MAX_SCALE_ERROR:
            if has_grid:
                reasons.append(
                    f"the pulse is {np.median(heights_mm):.1f} mm high, the "
                    f"gain is {gain:g} mm/mV"
                )
            else:
                return _read(contents, mm_pt * scale, has_grid=True)
    elif not has_grid:
        reasons.append("neither grid nor pulse: the scale is the file's own")
    rows = _rows(traces)
    start_mm = min(trace.x_mm for trace in traces)
    end_mm = max(trace.end_mm for trace in traces)
    n_samples = round((end_mm - start_mm) / speed * RATE_HZ) + 1
    signals_mv = np.full((N_LEADS, n_samples), np.nan, np.float32)
    # Of two prints of a lead the longer one is taken.
    for trace in sorted(traces, key=lambda t: t.end_mm - t.x_mm):
        zero_mm = _zero_mm(trace, pulses)
        row = signals_mv[LEADS.index(trace.name)]
        first, values = _sampled(trace.xy_mm, start_mm, speed)
        last = min(first + len(values), n_samples)
        row[first:last] = (zero_mm - values[: last - first]) / gain
    reasons += _einthoven(signals_mv) + _too_coarse(traces, speed, gain)
    placed = [
        (
            trace.name,
            (trace.xy_mm[:, 0] - start_mm) / speed,
            contents.seen_shares(trace.xy_mm * mm_pt / contents.size_pt),
        )
        for trace in traces
    ]
    digitized = DigitizedEcg(
        signals_mv,
        layout=_layout_name(rows),
        speed_mm_per_s=speed,
        gain_mm_per_mv=gain,
        rows=tuple(tuple(dict.fromkeys(t.name for t in row)) for row in rows),
        traces_box=_box(traces, contents, mm_pt),
        quality=DOUBTFUL if reasons else GOOD,
        reasons=tuple(reasons),
        read_by="paths of the file",
        source=FROM_VECTOR,
    )
    return VectorReading(digitized, placed)


def _grid_mm_pt(lines):
    """Points for each mm, from the distances of parallel lines, or None.

    Args:
        lines: (n, 4) x0, y0, x1, y1 of lines along an axis, in points.
    """
    found = []
    for axis in (0, 1):
        along = lines[np.abs(lines[:, axis] - lines[:, axis + 2]) < 0.05]
        length = np.abs(along[:, 1 - axis] - along[:, 3 - axis])
        along = along[length > 10 * POINTS_PER_MM]
        at = np.unique(np.round(along[:, axis], 1))
        gaps = np.diff(at)
        gaps = gaps[gaps > 0.5]
        if len(gaps) < MIN_GRID_LINES:
            continue
        # The most frequent distance: lines that are left out are its multiples.
        values, counts = np.unique(np.round(gaps, 1), return_counts=True)
        step = values[np.argmax(counts)]
        near = gaps[np.abs(gaps - step) < 0.11]
        if len(near) < MIN_GRID_LINES / 2:
            continue
        # More exact: all lines that lie on the lattice.
        order = np.round((at - at[0]) / near.mean())
        on_it = np.abs((at - at[0]) / near.mean() - order) < 0.15
        # Lines of other distances as well are no grid.
        if len(np.unique(order[on_it])) >= MIN_GRID_LINES / 2:
            found.append(np.polyfit(order[on_it], at[on_it], 1)[0])
    if not found:
        return None
    step = float(np.median(found))
    # 1 mm lines or 5 mm lines: the file's own scale is about right.
    options = [step, step / 5]
    return min(options, key=lambda mm: abs(np.log(mm / POINTS_PER_MM)))


@dataclasses.dataclass
class _Pulse:
    x_mm: float
    foot_mm: float
    height_mm: float


def _traces_and_pulses(chains):
    """`Trace`s and `_Pulse`s among chains of points in mm."""
    traces, pulses = [], []
    for xy in chains:
        if xy[0, 0] > xy[-1, 0]:
            xy = xy[::-1]
        pulse, xy = _pulse_before(xy)
        if pulse:
            pulses.append(pulse)
        if len(xy) < MIN_POINTS:
            continue
        if pulse:
            # The line from the pulse to the trace is none of its samples.
            steps = np.diff(xy[:, 0])
            xy = xy[np.argmax(steps < 5 * np.median(steps)) :]
        steps = np.diff(xy[:, 0])
        if xy[-1, 0] - xy[0, 0] < MIN_LENGTH_MM or steps.min() < -0.05:
            continue
        xy = xy.copy()
        xy[:, 0] = np.maximum.accumulate(xy[:, 0])
        traces.append(Trace(xy))
    return traces, pulses


def _pulse_before(xy):
    """The calibration pulse with which a chain begins, and what follows.

    It goes up, along and down again, each along an axis.

    Returns:
        (`_Pulse` or None, (n, 2) the rest).
    """
    d = np.diff(xy[:12], axis=0)
    level, up, down = (
        np.abs(d[:, 1]) < 0.02,
        (d[:, 1] < -2) & (np.abs(d[:, 0]) < 0.3),
        (d[:, 1] > 2) & (np.abs(d[:, 0]) < 0.3),
    )
    rises, falls = np.flatnonzero(up), np.flatnonzero(down)
    if not len(rises) or not len(falls) or falls[0] < rises[0]:
        return None, xy
    rise, fall = rises[0], falls[0]
    flat = level[:rise].all() and level[rise + 1 : fall].all()
    height = xy[rise, 1] - xy[rise + 1, 1]
    width = xy[fall, 0] - xy[rise, 0]
    same_foot = abs(xy[fall + 1, 1] - xy[rise, 1]) < 0.1
    if not flat or not same_foot or not 1 < width < 15:
        return None, xy
    end = fall + 1
    while end < len(d) and level[end] and len(xy) > 12:
        end += 1
    return _Pulse(xy[rise, 0], xy[rise, 1], height), xy[end:]


def _named(traces, names):
    """Traces with their names; rows that are one path are cut at the names.

    The offset between names and beginnings is the one at which most agree.
    """
    offsets = [
        at - (trace.x_mm, trace.y_mm) for _, at in names for trace in traces
    ]
    best, best_offset = (0, 0.0), None
    for offset in offsets:
        if np.hypot(*offset) <= MAX_NAME_OFFSET_MM:
            pairs = _pairs(traces, names, offset)
            key = len(pairs), -sum(distance for distance, _, _ in pairs)
            if key > best:
                best, best_offset = key, offset
    if best_offset is None:
        return []
    pairs = _pairs(traces, names, best_offset)
    named, begun = [], {index: [] for _, index, _ in pairs}
    for _, index, name in pairs:
        begun[index].append((traces[index].x_mm, names[name][0]))
    used = {name for _, _, name in pairs}
    for number, (lead, at) in enumerate(names):
        x_mm, y_mm = at - best_offset
        for index in begun if number not in used else ():
            trace = traces[index]
            if (
                trace.x_mm + MIN_LENGTH_MM < x_mm < trace.end_mm - MIN_LENGTH_MM
                and abs(trace.y_mm - y_mm) < NAME_TOLERANCE_MM
            ):
                begun[index].append((x_mm, lead))
                break
    for index, parts in begun.items():
        named += _cut(traces[index].xy_mm, sorted(parts))
    rest = [t for index, t in enumerate(traces) if index not in begun]
    return named + _continued(rest, named)


def _pairs(traces, names, offset):
    """One-to-one pairs at an offset: (distance, trace's index, name's)."""
    near = []
    for i, trace in enumerate(traces):
        for j, (_, at) in enumerate(names):
            dx, dy = np.abs(at - offset - (trace.x_mm, trace.y_mm))
            if max(dx, dy) < NAME_TOLERANCE_MM:
                near.append((dx + dy, i, j))
    pairs, taken = [], set()
    for distance, i, j in sorted(near):
        if ("trace", i) not in taken and ("name", j) not in taken:
            taken |= {("trace", i), ("name", j)}
            pairs.append((distance, i, j))
    return pairs


def _cut(xy, parts):
    """A chain cut where its leads begin: parts are (x in mm, lead).

    A name may stand a few samples off: the largest step nearby is the edge.
    """
    starts, near = [0], 4
    for x_mm, _ in parts[1:]:
        start = int(np.searchsorted(xy[:, 0], x_mm))
        steps = np.abs(np.diff(xy[start - near : start + near, 1]))
        if len(steps) and steps.max() > 3 * np.median(steps):
            start += int(steps.argmax()) + 1 - near
        starts.append(start)
    stops = [*starts[1:], len(xy)]
    return [
        Trace(xy[start:stop], lead)
        for start, stop, (_, lead) in zip(starts, stops, parts, strict=True)
        if stop - start > 1
    ]


def _continued(rest, named):
    """Traces without a name that go on with a named one, after a gap."""
    found = []
    for trace in rest:
        before = [
            other
            for other in named
            if other.end_mm <= trace.x_mm + 0.5
            and abs(other.y_mm - trace.y_mm) < NAME_TOLERANCE_MM
        ]
        if before:
            last = max(before, key=lambda other: other.end_mm)
            found.append(dataclasses.replace(trace, name=last.name))
    return found


def _rows(traces):
    """Traces row by row, from the top, each from left to right."""
    rows = []
    for trace in sorted(traces, key=lambda t: t.y_mm):
        if rows and trace.y_mm - np.mean([t.y_mm for t in rows[-1]]) < 6:
            rows[-1].append(trace)
        else:
            rows.append([trace])
    return [sorted(row, key=lambda t: t.x_mm) for row in rows]


def _layout_name(rows):
    """As "3x4+1": rows x columns + strips."""
    columns = [len({trace.name for trace in row}) for row in rows]
    most = max(columns)
    strips = sum(n == 1 for n in columns) if most > 1 else 0
    name = f"{sum(n == most for n in columns)}x{most}"
    return name + (f"+{strips}" if strips else "")


def _zero_mm(trace, pulses):
    near = [
        pulse
        for pulse in pulses
        if abs(pulse.foot_mm - trace.y_mm) < NAME_TOLERANCE_MM
        and pulse.x_mm < trace.end_mm
    ]
    if near:
        return min(near, key=lambda p: abs(p.foot_mm - trace.y_mm)).foot_mm
    return trace.y_mm


def _sampled(xy_mm, start_mm, speed_mm_per_s):
    """A trace on the 500 Hz grid: (first sample, (n,) y in mm).

    Points at even distances are the device's samples, which are resampled,
    band-limited; between others the trace is a line.
    """
    n = len(xy_mm)
    even = _even_samples(xy_mm[:, 0], speed_mm_per_s)
    times_s = (xy_mm[:, 0] - start_mm) / speed_mm_per_s
    if even:
        x0_mm, rate_hz = even
        start_s = (x0_mm - start_mm) / speed_mm_per_s
        times_s = start_s + np.arange(n) / rate_hz
    first = max(int(np.ceil(times_s[0] * RATE_HZ - 0.25)), 0)
    last = int(np.floor(times_s[-1] * RATE_HZ + 0.25))
    if even:
        values = resample(
            xy_mm[:, 1],
            round(rate_hz),
            RATE_HZ,
            last - first + 1,
            first / RATE_HZ - start_s,
        )
    else:
        values = np.interp(
            np.arange(first, last + 1) / RATE_HZ, times_s, xy_mm[:, 1]
        )
    return first, values


def _even_samples(x_mm, speed_mm_per_s):
    """(x of the first in mm, rate in Hz) of points at even times, or None.

    Where the file rounds x, points are even to that.
    """
    n = len(x_mm)
    step_mm, x0_mm = np.polyfit(np.arange(n), x_mm, 1)
    uneven_mm = np.abs(x_mm - x0_mm - step_mm * np.arange(n)).max()
    rounding_mm = _lattice_step(x_mm)
    rate_hz = speed_mm_per_s / step_mm
    # By how many samples the last is off; of rounding it is the fit's error.
    off = abs(rate_hz / round(rate_hz) - 1) * n
    if uneven_mm > max(0.4 * step_mm, 0.75 * rounding_mm):
        return None
    if off > 0.1 + 3 * rounding_mm / step_mm / np.sqrt(n):
        return None
    return x0_mm, rate_hz


def _einthoven(signals_mv):
    """A reason for doubt, where I + III is not II."""
    one, two, three = (
        signals_mv[LEADS.index(lead)] for lead in ("I", "II", "III")
    )
    both = np.isfinite(one) & np.isfinite(two) & np.isfinite(three)
    if both.sum() < RATE_HZ:
        return []
    residual = (one + three - two)[both]
    power = np.var(two[both])
    if np.var(residual) > MAX_EINTHOVEN_SHARE * power:
        return ["I + III is not II: leads may be mistaken"]
    return []


def _too_coarse(traces, speed_mm_per_s, gain_mm_per_mv):
    """A reason for doubt, where files round a trace's coordinates too far.

    A step s of rounding has the variance s^2 / 12; along time it counts by the
    trace's slope.
    """
    worst, reasons = MAX_ROUNDING_SHARE, []
    for trace in traces:
        x_mm, y_mm = trace.xy_mm.T
        step_x_mm, step_y_mm = _lattice_step(x_mm), _lattice_step(y_mm)
        even = _even_samples(x_mm, speed_mm_per_s) is not None
        # Samples at even times lie on a lattice without any rounding.
        error_x_mm = 0.0 if even else step_x_mm
        slope = np.diff(y_mm).std() / max(np.diff(x_mm).mean(), 1e-6)
        noise = (step_y_mm**2 + (error_x_mm * slope) ** 2) / 12
        # Of a lead that is all but flat the share says nothing.
        share = noise / max(y_mm.var(), (LEAST_MV * gain_mm_per_mv) ** 2)
        if share > worst:
            worst = share
            reasons = [
                "the file rounds the trace's coordinates: steps of "
                f"{step_y_mm / gain_mm_per_mv:.3f} mV and "
                f"{1000 * step_x_mm / speed_mm_per_s:.0f} ms, while "
                f"{trace.name} is {np.ptp(y_mm) / gain_mm_per_mv:.2f} mV high"
            ]
    return reasons


def _lattice_step(values):
    """The step of the lattice that all values lie on; 0 where there is none."""
    gaps = np.diff(np.unique(np.round(values, 3)))
    if len(gaps) < 3:
        return 0.0
    step = np.percentile(gaps, 10)
    steps = gaps / step
    on_it = np.abs(steps - np.round(steps)) < _OFF_STEP
    return float(step) if on_it.mean() >= _ON_LATTICE else 0.0


def _only_number(rule, text):
    """The number that all matches of a rule agree on, or None."""
    numbers = {float(n.replace(",", ".")) for n in rule.findall(text)}
    return numbers.pop() if len(numbers) == 1 else None


def _box(traces, contents, mm_pt):
    """Where the traces lie, with 4 mm around them, as shares of the page."""
    xy = np.concatenate([trace.xy_mm for trace in traces]) * mm_pt
    around_pt = 4 * mm_pt
    corners = np.stack([xy.min(axis=0) - around_pt, xy.max(axis=0) + around_pt])
    shares = contents.seen_shares(corners / contents.size_pt).clip(0, 1)
    return (*shares.min(axis=0).tolist(), *shares.max(axis=0).tolist())

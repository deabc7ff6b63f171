"""The traces that were found, over the picture in which they were found."""

import dataclasses
import html

import numpy as np

from ecg_keras.page.row_images import SAMPLE_MM

# Of the heights that are read every second is drawn.
_DRAWN_STEP = 2
# Neighbours along a row in two colours.
COLOURS = ("#0057d9", "#c2007a")
LEFT_OUT_COLOUR = "#777"


@dataclasses.dataclass(frozen=True, eq=False)
class Trace:
    """A lead's trace on a page.

    Attributes:
        lead: one of `LEADS`, "-aVR", or one beyond the twelve.
        times_s: (n,) s of its points in the recording.
        shares: (n, 2) x and y, as shares of the picture's width and height.
    """

    lead: str
    times_s: np.ndarray
    shares: np.ndarray


def traces_of(reading, size_px, to_picture=None):
    """`Trace`s of a `PageReading`.

    Args:
        reading: `page_reader.PageReading`.
        size_px: width and height of the picture.
        to_picture: function of (n, 2) px of the picture that was read to px
            of this one; None: it is this one.

    Returns:
        list of `Trace`; empty where no layout was found.
    """
    if reading.printed is None or reading.paper_map is None:
        return []
    traces, heights = [], iter(reading.heights)
    for row in reading.printed.rows:
        for segment, height_mm in zip(row.segments, heights, strict=False):
            height_mm = np.asarray(height_mm, float)[::_DRAWN_STEP]
            along_mm = _DRAWN_STEP * SAMPLE_MM * np.arange(len(height_mm))
            kept = np.isfinite(height_mm)
            kept &= along_mm <= segment.width_mm
            along_mm, height_mm = along_mm[kept], height_mm[kept]
            points_mm = np.stack(
                [segment.x_start_mm + along_mm, row.zero_y_mm - height_mm], -1
            )
            px = reading.paper_map.to_px(points_mm)
            if to_picture is not None:
                px = to_picture(px)
            speed = reading.printed.speed_mm_per_s
            times_s = segment.time_start_s + along_mm / speed
            traces.append(Trace(segment.lead, times_s, px / size_px))
    return traces


def overlay_svg(traces, size_px, left_out=()):
    """The traces as an SVG of a picture's size.

    Args:
        traces: list of `Trace`.
        size_px: width and height.
        left_out: (lead, start_s, stop_s) of stretches to draw in grey.

    Returns:
        str, an `<svg>` element.
    """
    width, height = size_px
    parts = []
    for number, trace in enumerate(traces):
        out = np.zeros(len(trace.times_s), bool)
        for lead, start_s, stop_s in left_out:
            if lead == trace.lead.removeprefix("-"):
                out |= (trace.times_s >= start_s) & (trace.times_s < stop_s)
        px = trace.shares * (width, height)
        cuts = np.flatnonzero(np.diff(out)) + 1
        for run in np.split(np.arange(len(px)), cuts):
            if len(run) < 2:
                continue
            colour = LEFT_OUT_COLOUR if out[run[0]] else COLOURS[number % 2]
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in px[run])
            parts.append(
                f'<polyline points="{points}" fill="none" stroke="{colour}">'
                f"<title>{html.escape(trace.lead)}</title></polyline>"
            )
    return (
        f'<svg class="overlay" viewBox="0 0 {width} {height}" '
        f'preserveAspectRatio="none">{"".join(parts)}</svg>'
    )

"""Any page: from its description to its picture, with the exact truth.

    description = random_page(rng)
    page = draw(description, signals_mv, rng)

`page.paper_map` says where each mm of the paper lies in the picture,
`page.layout` what is printed where, `page.signals_mv` what the traces show.
"""

import dataclasses

import cv2
import numpy as np

from ecg_keras.drawing import camera, wear
from ecg_keras.drawing.canvas import Canvas
from ecg_keras.drawing.grid import coverages, ruled
from ecg_keras.drawing.page_description import PageDescription, random_page
from ecg_keras.drawing.page_text import scales_at_mm, write
from ecg_keras.drawing.random_layout import BEYOND
from ecg_keras.drawing.surfaces import surface
from ecg_keras.ecg.leads import LEADS, RATE_HZ
from ecg_keras.page.paper import COARSE_GRID_MM
from ecg_keras.page.paper_map import PaperMap
from ecg_keras.page.printed_layout import PrintedLayout

__all__ = ["DrawnPage", "PageDescription", "draw", "random_page"]

# Traces of fewer px vanish: printers draw no thinner line.
_MIN_LINE_PX = 0.7
_MAX_CANVAS_PX = 3e7
_WINDOW_MM = (2.0, 12.0)
_BEZEL_MM = (4.0, 14.0)
RESAMPLED_SHARE = 0.2  # of files and scans
GREY_COPY_SHARE = 0.3  # of copies
HELD_SHARE = 0.06  # of photos


@dataclasses.dataclass(frozen=True, eq=False)
class DrawnPage:
    """A picture of a page, and all that is true of it.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        paper_map: `PaperMap` of the picture.
        layout: `PrintedLayout`, in the mm of the map.
        signals_mv: (12, T) float32 mV at 500 Hz, NaN where not printed or not
            in the picture.
        description: `PageDescription`.
    """

    image: np.ndarray
    paper_map: PaperMap
    layout: PrintedLayout
    signals_mv: np.ndarray
    description: PageDescription


def draw(description, signals_mv, rng):
    """Draw a page and take its picture.

    Args:
        description: `PageDescription`.
        signals_mv: (12, n) mV at 500 Hz, n at least as long as what the page
            shows; where it is shorter, traces end.
        rng: numpy Generator, of wear, light and noise.

    Returns:
        `DrawnPage`.
    """
    scene = _Scene(description)
    image = _page(description, scene, signals_mv, rng)
    image = _taken(description, scene, image, rng)
    image = _as_file(description, image, rng)
    paper_map = description.pose.paper_map(scene.map_bounds_mm())
    for _ in range(description.quarter_turns):
        image, paper_map = _turned(image, paper_map)

    def is_shown(x_mm, y_mm):
        points = np.stack([x_mm, y_mm], axis=-1)
        return paper_map.in_picture(points, image.shape)

    scales = [
        words
        for text in description.texts
        for words in scales_at_mm(
            text, text.font.size_mm * scene.px_per_mm, scene.scale[0]
        )
    ]
    return DrawnPage(
        np.ascontiguousarray(image),
        paper_map,
        dataclasses.replace(description.layout, scales_at_mm=tuple(scales)),
        printed_signals(description.layout, signals_mv, is_shown),
        description,
    )


def printed_signals(layout, signals_mv, is_shown=None):
    """What a layout shows of signals.

    Args:
        layout: `PrintedLayout`.
        signals_mv: (12, n) mV at 500 Hz.
        is_shown: function of x and y in mm of a trace, (n,) each, which of it
            is in the picture, (n,) bool; None: all.

    Returns:
        (12, `layout.n_samples`) float32 mV, NaN where nothing is printed or
        shown.
    """
    printed = np.full((len(LEADS), layout.n_samples), np.nan, np.float32)
    for row in layout.rows:
        for segment in row.segments:
            lead = segment.lead.removeprefix("-")
            if lead not in LEADS:
                continue
            index = _samples(layout, segment, signals_mv)
            if is_shown is not None:
                trace = trace_mm(layout, row, segment, signals_mv)
                index = index[is_shown(*trace)]
            own = LEADS.index(lead)
            printed[own, index] = signals_mv[own, index]
    return printed


def trace_mm(layout, row, segment, signals_mv):
    """A segment's trace on the paper: x and y in mm, (n,) each."""
    index = _samples(layout, segment, signals_mv)
    time_s = index / RATE_HZ - segment.time_start_s
    x_mm = segment.x_start_mm + time_s * layout.speed_mm_per_s
    voltage_mv = _voltage(segment.lead, signals_mv[:, index])
    return x_mm, row.zero_y_mm - voltage_mv * row.gain_mm_per_mv


def _samples(layout, segment, signals_mv):
    """Indices of the samples that a segment shows."""
    duration_s = (segment.x_end_mm - segment.x_start_mm) / layout.speed_mm_per_s
    first = np.ceil(segment.time_start_s * RATE_HZ - 1e-6)
    last = (segment.time_start_s + duration_s) * RATE_HZ
    last = min(np.floor(last + 0.5), signals_mv.shape[1])
    return np.arange(first, last).astype(int)


def _voltage(lead, signals_mv):
    if lead.startswith("-"):
        return -signals_mv[LEADS.index(lead[1:])]
    if lead in BEYOND:
        return sum(
            factor * signals_mv[LEADS.index(name)]
            for name, factor in BEYOND[lead]
        )
    return signals_mv[LEADS.index(lead)]


class _Scene:
    """The canvas: which mm it covers, at how many px per mm."""

    def __init__(self, description):
        pose = description.pose
        self.where = None if pose.is_affine else pose.raster_mm()
        self.pose = pose
        self.sheet_mm = description.sheet_mm
        if self.where is None:
            scale = pose.homography[[0, 1], [0, 1]]
            left, top = -pose.homography[:2, 2] / scale
            self.scale = scale
            self.shape = pose.size
            self.bounds_mm = (
                left,
                top,
                left + pose.size[1] / scale[0],
                top + pose.size[0] / scale[1],
            )
            return
        seen = [plane.min() for plane in self.where]
        seen += [plane.max() for plane in self.where]
        around = 0.0
        if description.capture == "screen":
            around = _WINDOW_MM[1] + _BEZEL_MM[1]
        sheet = self.sheet_mm
        left = max(seen[0] - 2, sheet[0] - around)
        top = max(seen[1] - 2, sheet[1] - around)
        right = min(seen[2] + 2, sheet[2] + around)
        bottom = min(seen[3] + 2, sheet[3] + around)
        self.bounds_mm = left, top, right, bottom
        self.scale = self._finest()
        # Sampling by bilinear weights softens lines: a little finer.
        self.scale = 1.1 * self.scale
        size = np.array([right - left, bottom - top])
        limit = np.sqrt(_MAX_CANVAS_PX / (size * self.scale).prod())
        self.scale = self.scale * min(1.0, limit)
        width, height = np.ceil(size * self.scale).astype(int)
        self.shape = int(height), int(width)
        self.bounds_mm = (
            left,
            top,
            left + width / self.scale[0],
            top + height / self.scale[1],
        )

    def _finest(self):
        """px per mm where the picture shows most of them, x and y."""
        left, top, right, bottom = self.bounds_mm
        x, y = np.meshgrid(
            np.linspace(left, right, 5), np.linspace(top, bottom, 5)
        )
        points = np.stack([x, y], axis=-1)
        at = self.pose.to_px(points)
        inside = ((at > 0) & (at < self.pose.size[::-1])).all(axis=-1)
        inside |= ~inside.any()
        scales = [
            np.linalg.norm(self.pose.to_px(points + step) - at, axis=-1)
            for step in ((1.0, 0.0), (0.0, 1.0))
        ]
        return np.array([scale[inside].max() for scale in scales])

    def px(self, x_mm, y_mm):
        """Canvas px of mm."""
        left, top, _, _ = self.bounds_mm
        return (
            (np.asarray(x_mm) - left) * self.scale[0],
            (np.asarray(y_mm) - top) * self.scale[1],
        )

    @property
    def px_per_mm(self):
        return float(np.sqrt(self.scale.prod()))

    def map_bounds_mm(self):
        """Whole boxes about all of the sheet that the picture shows."""
        seen = self.bounds_mm
        low = np.maximum(seen[:2], self.sheet_mm[:2]) - 5
        high = np.minimum(seen[2:], self.sheet_mm[2:]) + 5
        low = COARSE_GRID_MM * np.floor(low / COARSE_GRID_MM)
        high = COARSE_GRID_MM * np.ceil(high / COARSE_GRID_MM)
        return (*low, *np.maximum(high, low + 2 * COARSE_GRID_MM))


def _page(description, scene, signals_mv, rng):
    """The printed sheet on its canvas, (h, w, 3) uint8."""
    height, width = scene.shape
    paper = np.empty((height, width, 3), np.uint8)
    paper[:] = description.paper_rgb
    left, top, right, bottom = scene.bounds_mm
    grid = description.grid
    lines = coverages(
        grid, (left, right, width), (top, bottom, height), description.ruled_mm
    )
    if not description.grid_over:
        paper = ruled(paper, grid, *lines)
    if description.qr_mm:
        paper = _with_qr(paper, scene, description.qr_mm, rng)
    canvas = Canvas(paper)
    _print_ink(canvas, description, scene, signals_mv)
    page = canvas.image()
    if description.grid_over:
        page = ruled(page, grid, *lines, opacity=description.grid_over)
    for box in description.boxes:
        low, high = (
            tuple(int(v) for v in scene.px(*box[i : i + 2])) for i in (0, 2)
        )
        cv2.rectangle(page, low, high, box[4], -1)
    if description.capture == "screen":
        page = _in_window(page, scene, rng)
    for name in description.wear:
        page = _WEAR[name](page, rng, description.strength)
    return page


_WEAR = {
    "printed": wear.laser_printed,
    "stained": wear.stained,
    "soaked": wear.soaked,
    "mouldy": wear.mouldy,
    "folded": wear.folded,
    "creased": wear.creased,
}


def _print_ink(canvas, description, scene, signals_mv):
    ink, layout = description.ink, description.layout
    trace_px = max(_MIN_LINE_PX, ink.trace_mm * scene.px_per_mm)
    pulse_px = trace_px * ink.pulse_factor
    _print_separators(canvas, description, scene)
    for pulse in layout.pulses:
        foot = 0.3 if pulse.x_end_mm - pulse.x_start_mm > 3 else 0.1
        x = np.array([-foot, 0, 0, 1, 1, 1 + foot])
        x = pulse.x_start_mm + x * (pulse.x_end_mm - pulse.x_start_mm)
        y = pulse.zero_y_mm - pulse.height_mm * np.array([0, 0, 1, 1, 0, 0])
        x[[0, -1]] = np.clip(x[[0, -1]], x[1] - 2, x[4] + 2)
        canvas.line(*scene.px(x, y), pulse_px, ink.rgb)
    for row in layout.rows:
        for segment in row.segments:
            x, y = trace_mm(layout, row, segment, signals_mv)
            canvas.line(*scene.px(x, y), trace_px, ink.rgb)
            if segment.name_at_mm is not None:
                _write(
                    canvas,
                    scene,
                    segment.name_at_mm,
                    segment.lead,
                    description.name_font,
                    ink.text_rgb,
                    centred=True,
                )
    for text in description.texts:
        _write(canvas, scene, (text.x_mm, text.y_mm), text.text, text.font,
               ink.text_rgb)  # fmt: skip
    for x, y, width_mm, rgb in description.strokes:
        canvas.line(*scene.px(x, y), width_mm * scene.px_per_mm, rgb)


def _print_separators(canvas, description, scene):
    style, ink = description.separator_style, description.ink
    wide_px = max(1.0, ink.separator_mm * scene.px_per_mm)
    thin_px = max(_MIN_LINE_PX, 0.6 * ink.trace_mm * scene.px_per_mm)
    for x, top, bottom in description.layout.separators:
        middle, half = (top + bottom) / 2, (bottom - top) / 2
        if style == "tick":
            parts, width = [(top, bottom)], wide_px
        elif style == "dashes":  # above and below the trace
            parts = [
                (top, middle - 0.35 * half),
                (middle + 0.35 * half, bottom),
            ]
            width = 0.7 * wide_px
        elif style == "line":
            parts, width = [(top, bottom)], thin_px
        else:
            on, every = (0.35, 1.0) if style == "dotted" else (2.0, 3.5)
            starts = np.arange(top, bottom - on, every)
            parts, width = [(y, y + on) for y in starts], 1.3 * thin_px
        for low, high in parts:
            canvas.line(*scene.px([x, x], [low, high]), width, ink.text_rgb)


def _write(canvas, scene, at_mm, text, font, ink, centred=False):
    """Print text at a point; see `page_text.write`."""
    x, y = (float(v) for v in scene.px(*at_mm))
    size_px = font.size_mm * scene.px_per_mm
    write(canvas, x, y, text, font, size_px, ink, centred)


def _with_qr(page, scene, qr_mm, rng):
    """A QR code of an invented id on white."""
    x, y, size = qr_mm
    code = cv2.QRCodeEncoder.create().encode(str(rng.integers(10**9)))
    low, high = (
        np.array(scene.px(x + d, y + d)).round().astype(int) for d in (0, size)
    )
    high = np.minimum(high, page.shape[1::-1])
    width, height = high - low
    if (low < 0).any() or min(width, height) < 8:
        return page
    picture = cv2.resize(
        code, (int(width), int(height)), interpolation=cv2.INTER_NEAREST
    )
    page[low[1] : high[1], low[0] : high[0]] = picture[..., None]
    return page


def _in_window(page, scene, rng):
    """The sheet in a window on a screen, with the screen's dark frame."""
    sheet = np.array(scene.sheet_mm)
    frame = np.empty_like(page)
    frame[:] = int(rng.uniform(5, 60))
    grown = sheet + rng.uniform(*_WINDOW_MM, 4) * (-1, -1, 1, 1)
    for bounds, inside in (
        (grown, np.full(3, rng.uniform(60, 255)) + rng.uniform(-6, 0, 3)),
        (sheet, None),
    ):
        low, high = (
            np.array(scene.px(*bounds[i : i + 2])).round().astype(int)
            for i in (0, 2)
        )
        low, high = np.maximum(low, 0), np.maximum(high, 0)
        part = np.s_[low[1] : high[1], low[0] : high[0]]
        frame[part] = page[part] if inside is None else inside
    return frame


def _taken(description, scene, page, rng):
    """The picture as it lies before scanner or camera: sampled once."""
    if scene.where is None:
        return page
    height, width = description.pose.size
    left, top, right, bottom = scene.bounds_mm
    x = (scene.where[0] - np.float32(left)) * np.float32(scene.scale[0])
    y = (scene.where[1] - np.float32(top)) * np.float32(scene.scale[1])
    alpha = _sheet_mask(description, scene, rng)
    behind = _behind(description, height, width, rng)
    image = cv2.remap(page, x - 0.5, y - 0.5, cv2.INTER_LINEAR,
                      borderMode=cv2.BORDER_REPLICATE)  # fmt: skip
    mask = cv2.remap(alpha, x - 0.5, y - 0.5, cv2.INTER_LINEAR,
                     borderMode=cv2.BORDER_CONSTANT)  # fmt: skip
    if mask.min() == 255:
        return image
    weight = mask.astype(np.float32) / 255
    if description.capture == "photo":
        # The lifted sheet's shadow on the desk.
        reach = 0.6 * scene.px_per_mm * (1 + 3 * description.strength)
        shadow = cv2.GaussianBlur(weight, (0, 0), max(0.5, reach))
        behind = wear.shaded(behind, 1 - np.float32(0.6) * shadow)
    return cv2.blendLinear(image, behind, weight, 1 - weight)


def _sheet_mask(description, scene, rng):
    """Where the canvas is paper, (h, w) uint8: 255, or 0 beyond its edge."""
    height, width = scene.shape
    mask = np.zeros((height, width), np.uint8)
    sheet = description.sheet_mm
    if description.capture == "screen":
        bezel = _WINDOW_MM[1] + rng.uniform(*_BEZEL_MM)
        sheet = tuple(np.array(sheet) + bezel * np.array([-1, -1, 1, 1]))
    left, top, right, bottom = sheet
    n = 120
    y = np.linspace(top, bottom, n)
    ends = [np.full(n, left), np.full(n, right)]
    if description.torn:
        for end, sign in zip(ends, (1, -1), strict=True):
            ragged = np.cumsum(rng.normal(0, 0.25, n))
            end += sign * np.abs(ragged - ragged.mean() + rng.normal(0, 0.2, n))
    outline = np.concatenate([
        np.stack([ends[0], y], axis=1), np.stack([ends[1], y], axis=1)[::-1]
    ])  # fmt: skip
    points = np.stack(scene.px(outline[:, 0], outline[:, 1]), axis=1)
    cv2.fillPoly(
        mask, [(points * 16).round().astype(np.int32)], 255, cv2.LINE_AA, 4
    )
    return mask


def _behind(description, height, width, rng):
    """What lies around the sheet."""
    if description.capture == "photo":
        return surface(rng, height, width, description.surface)
    if description.capture == "screen":
        room = surface(rng, height, width, "plain")
        return cv2.addWeighted(room, 0.6, room, 0, 0)
    bed = np.empty((height, width, 3), np.uint8)
    draw = rng.random()
    level = rng.uniform(225, 255) if draw < 0.7 else rng.uniform(0, 90)
    bed[:] = round(level)
    return bed


def _as_file(description, image, rng):
    """Light, lens, sensor and file."""
    strength, capture = description.strength, description.capture
    px_per_mm = np.sqrt(abs(np.linalg.det(description.pose.homography[:2, :2])))
    quality = description.jpeg_quality
    if capture in ("file", "scan") and rng.random() < RESAMPLED_SHARE:
        image = camera.resampled(image, rng)
    if capture == "file":
        if quality is None:
            return image
        return camera.sensed(image, rng, 0.0, 0.0, quality)
    if capture == "copy":
        image = camera.photocopied(image, rng, strength)
        if rng.random() < GREY_COPY_SHARE:
            # Kept as a small grey picture: speckle becomes mottled grey.
            image = camera.resampled(image, rng)
            image = camera.toned(
                image, rng.uniform(30, 90), rng.uniform(190, 250)
            )
        return camera.sensed(image, rng, 0.0, 0.0, quality)
    if capture == "scan":
        blur = rng.uniform(0.2, 0.6)
        if rng.random() < 0.15:
            image = camera.black_and_white(image, rng, strength)
        noise = rng.uniform(0.3, 2 + 4 * strength)
        return camera.sensed(image, rng, blur, noise, quality)
    if capture == "screen":
        image = camera.moire(image, rng, strength)
        image = camera.glared(image, rng, strength)
    elif rng.random() < 0.15:
        image = camera.glared(image, rng, 0.5 * strength)
    if capture == "photo" and rng.random() < HELD_SHARE:
        image = camera.held(image, rng)
    image = camera.lit(camera.cast(image, rng), rng, strength)
    if rng.random() < 0.12:
        image = camera.moire(image, rng, 0.6 * strength)
    blur = rng.uniform(0.2, 0.5 + 0.5 * strength) * max(1.0, px_per_mm / 8)
    noise = rng.uniform(0.5, 2 + 6 * strength)
    return camera.sensed(image, rng, blur, noise, quality)


def _turned(image, paper_map):
    """A quarter turn clockwise."""
    height = image.shape[0]
    x, y = paper_map.nodes_px[..., 0], paper_map.nodes_px[..., 1]
    nodes = np.stack([height - y, x], axis=-1)
    turned = dataclasses.replace(paper_map, nodes_px=nodes)
    return np.rot90(image, -1), turned

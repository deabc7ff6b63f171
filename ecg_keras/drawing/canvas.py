"""What a printed page is made of: grid, lines, text. All in page px.

Colours and the order of drawing were measured on pages drawn by the
competition's generator. That drew with Matplotlib, and so do we: with its
rasteriser itself, as figures and axes would take seconds.
"""

import functools

import cv2
import numpy as np
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.transforms import IdentityTransform

from ecg_keras.page.paper import (
    COARSE_GRID_MM,
    DPI,
    FINE_GRID_MM,
    PAGE_HEIGHT_PX,
    PAGE_WIDTH_PX,
    PX_PER_MM,
)

# A grid line is one pixel, and a fifth of its colour on both sides.
COARSE_COLOUR = (255, 0, 0)
FINE_COLOUR = (254, 223, 219)
SIDE_COVERAGE = 50 / 255
FRAME_SHADES = (0, 227 / 255)  # of the edge and of the next pixel

POINTS_PER_INCH = 72
FONT = FontProperties(family="DejaVu Sans", size=11)


class Canvas:
    """A page on which lines and text are drawn.

    Args:
        background: (H, W, 3) uint8.
    """

    def __init__(self, background):
        self._height_px, width_px = background.shape[:2]
        self._renderer = RendererAgg(width_px, self._height_px, DPI)
        self._pixels = np.asarray(self._renderer.buffer_rgba())
        cv2.cvtColor(background, cv2.COLOR_RGB2RGBA, dst=self._pixels)

    def line(self, x_px, y_px, width_px, ink):
        """Draw a polyline.

        Args:
            x_px, y_px: (n,) page coordinates.
            width_px: of the line.
            ink: grey or RGB, 0 (black) to 1.
        """
        pen = self._pen(ink)
        pen.set_linewidth(width_px * POINTS_PER_INCH / DPI)
        # Matplotlib counts y from the bottom.
        points = np.column_stack([x_px, self._height_px - np.asarray(y_px)])
        self._renderer.draw_path(pen, Path(points), IdentityTransform())

    def text(self, x_px, y_px, text, font=FONT, ink=0.0):
        """Write text; its base line starts at x, y."""
        self._renderer.draw_text(self._pen(ink), x_px, y_px, text, font, 0)

    def text_size(self, text, font=FONT):
        """Width and height above the base line of text, in px."""
        width, height, below = self._renderer.get_text_width_height_descent(
            text, font, False
        )
        return width, height - below

    def stroke_text(self, x_px, y_px, text, face, size_px, width, ink, centred):
        """Write text in one of OpenCV's stroke fonts.

        Args:
            x_px, y_px: start of its base line, or its middle if `centred`.
            text: ASCII only.
            face: `cv2.FONT_HERSHEY_SIMPLEX` or another.
            size_px: height of an em square; capitals are 0.7 of it high.
            width: of the strokes, relative to a fine pen.
            ink: grey or RGB, 0 (black) to 1.
            centred: see above.
        """
        scale, thick = _stroke(face, size_px, width)
        across, above = stroke_text_size(text, face, size_px, width)
        if centred:
            x_px, y_px = x_px - across / 2, y_px + above / 2
        rgb = ink if isinstance(ink, tuple) else (ink,) * 3
        cv2.putText(
            self._pixels,
            text,
            (round(x_px), round(y_px)),
            face,
            scale,
            (*(round(255 * v) for v in rgb), 255),
            thick,
            cv2.LINE_AA,
        )

    def image(self):
        """The page as it is now, (H, W, 3) uint8."""
        return cv2.cvtColor(self._pixels, cv2.COLOR_RGBA2RGB)

    def _pen(self, ink):
        pen = self._renderer.new_gc()
        pen.set_foreground(ink if isinstance(ink, tuple) else (ink,) * 3)
        pen.set_joinstyle("round")
        pen.set_capstyle("projecting")
        return pen


@functools.lru_cache(maxsize=4)
def blank_page(coarse_colour=COARSE_COLOUR, fine_colour=FINE_COLOUR):
    """The paper with its grid and frame, (1700, 2200, 3) uint8, read-only.

    Fine lines are drawn over the vertical coarse ones, which therefore look
    dashed; horizontal coarse lines are drawn last and are whole.

    Args:
        coarse_colour, fine_colour: RGB of the 5 mm and the 1 mm lines; None
            for no such lines.
    """
    coarse_x, coarse_y = _grid_lines(COARSE_GRID_MM)
    fine_x, fine_y = _grid_lines(FINE_GRID_MM)
    fine_x, fine_y = fine_x - coarse_x, fine_y - coarse_y
    page = np.full((PAGE_HEIGHT_PX, PAGE_WIDTH_PX, 3), 255, np.uint8)
    across = page.swapaxes(0, 1)
    for target, lines, colour in (
        (across, coarse_x, coarse_colour),
        (across, fine_x, fine_colour),
        (page, fine_y, fine_colour),
        (page, coarse_y, coarse_colour),
    ):
        if colour is not None:
            _draw_grid(target, lines, colour)
    for depth, shade in enumerate(FRAME_SHADES):
        for line in (
            page[depth],
            page[-1 - depth],
            across[depth],
            across[-1 - depth],
        ):
            line[:] = shade * line
    page.flags.writeable = False
    return page


def _grid_lines(spacing_mm):
    """Pixel indices of (vertical, horizontal) lines of a grid, as two sets.

    They are counted from the bottom left corner and moved to whole pixels.
    """
    spacing_px = spacing_mm * PX_PER_MM
    x = np.arange(1, PAGE_WIDTH_PX // spacing_px + 1) * spacing_px
    y = np.arange(1, PAGE_HEIGHT_PX // spacing_px + 1) * spacing_px
    columns, rows = np.round(x), np.round(PAGE_HEIGHT_PX - y)
    return {int(c) for c in columns}, {int(r) for r in rows}


def _draw_grid(page, rows, colour):
    """Blend horizontal lines into a page (H, W, 3), in place."""
    for row in sorted(rows):
        for offset, coverage in (
            (-1, SIDE_COVERAGE),
            (1, SIDE_COVERAGE),
            (0, 1),
        ):
            if 0 <= row + offset < len(page):
                line = page[row + offset].astype(float)
                line += coverage * (np.array(colour) - line)
                page[row + offset] = line.astype(np.uint8)


def stroke_text_size(text, face, size_px, width):
    """Width and height above the base line of `Canvas.stroke_text`, in px."""
    return cv2.getTextSize(text, face, *_stroke(face, size_px, width))[0]


def _stroke(face, size_px, width):
    """OpenCV's scale of a font, and how many px its strokes are wide."""
    height_px = max(2, round(0.7 * size_px))
    return (
        cv2.getFontScaleFromHeight(face, height_px),
        max(1, round(width * size_px / 20)),
    )

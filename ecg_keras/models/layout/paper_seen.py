"""Where a straightened picture shows the paper, and not what that lies on, and
where the grid, and not text around it.

A desk or a bezel is darker than the paper, begins at once, and reaches to the
picture's sides. A shadow begins gradually.
"""

import cv2
import numpy as np

# Desks and bezels have less than this share of the grey of the paper.
DARK_SHARE = 0.6
# Boxes of the paper that stand two apart, across the edge of a shadow, differ
# by less than this; desk and paper by more.
STEP_SHARE = 0.7
# Boxes of one colour, but for so much grey: the margin of a slide or a viewer.
ONE_GREY = 4.0
# Print is no wider than half of so many pixels.
PRINT_PX = 9
# What is left of print, where lines meet, is no wider than so many.
CORNER_PX = 5
# Half of so many pixels of the paper beside the desk show both.
EDGE_PX = 9
# Boxes show the grid with this share of the page's contrast, and are so much
# like it; a page whose grid has less contrast, of 255, tells nothing. So many
# boxes of a band are looked at together, some of them whole, and so much of it
# shows the grid.
GRID_SHARE, GRID_LIKENESS, LEAST_CONTRAST = 0.3, 0.6, 1.0
TOGETHER, LEAST_TOGETHER, BAND_SHARE = 6, 3, 0.25


def paper_seen(grey, inside, box_px):
    """Where a picture shows the paper.

    Args:
        grey: (h, w) float32, 0 to 255: the straightened page.
        inside: (h, w) bool, what the picture shows.
        box_px: side of the boxes that are compared.

    Returns:
        (h, w) bool.
    """
    boxes = _box_medians(boxes_of(grey, inside, box_px))
    y, x = (slice(n // 4, n - n // 4) for n in boxes.shape)
    middle = boxes[y, x]
    if not np.isfinite(middle).any():
        return inside
    least = DARK_SHARE * float(np.nanmedian(middle))
    is_desk = _leads_to_sides(~(boxes >= least)) & np.isfinite(boxes)
    if not is_desk.any() or not _begins_at_once(boxes, is_desk):
        return inside
    near = cv2.dilate(is_desk.astype(np.uint8), np.ones((3, 3), np.uint8))
    near = near.repeat(box_px, axis=0).repeat(box_px, axis=1)
    without_print = cv2.medianBlur(grey.clip(0, 255).astype(np.uint8), PRINT_PX)
    height, width = grey.shape
    is_desk = (near[:height, :width] > 0) & (without_print < least)
    narrow, edge = (np.ones((n, n), np.uint8) for n in (CORNER_PX, EDGE_PX))
    is_desk = cv2.morphologyEx(is_desk.astype(np.uint8), cv2.MORPH_OPEN, narrow)
    return inside & (cv2.dilate(is_desk, edge) == 0)


def margin_seen(grey, inside, box_px):
    """Where a picture shows a margin of one colour beside a grid.

    A slide or a viewer shows it, or paper without a grid: what paper and grid
    look like is not to be told from it.

    Args:
        grey, inside, box_px: see `paper_seen`.

    Returns:
        (h, w) bool.
    """
    boxes = boxes_of(grey, inside, box_px)
    boxes = boxes.reshape(*boxes.shape[:2], -1)
    low = np.where(np.isfinite(boxes), boxes, np.inf).min(axis=-1)
    high = np.where(np.isfinite(boxes), boxes, -np.inf).max(axis=-1)
    is_one = high - low < ONE_GREY
    y, x = (slice(n // 4, n - n // 4) for n in is_one.shape)
    if np.mean(is_one[y, x]) > 0.5:
        return np.zeros(grey.shape, bool)
    is_margin = _leads_to_sides(is_one) & np.isfinite(high)
    # Boxes beside it show both.
    near = np.ones((3, 3), np.uint8)
    greys = (
        cv2.erode(np.where(is_margin, high, np.inf).astype(np.float32), near),
        cv2.dilate(np.where(is_margin, low, -np.inf).astype(np.float32), near),
    )
    height, width = grey.shape
    found = np.zeros(grey.shape, bool)
    for of_boxes in greys:
        own = of_boxes.repeat(box_px, axis=0).repeat(box_px, axis=1)
        found |= np.abs(grey - own[:height, :width]) < ONE_GREY
    return found & inside


def grid_seen(grey, inside, box_px, grid_px):
    """From where to where a picture shows the grid, and not text around it.

    What boxes look like in the median has no print. Bands of boxes, from the
    upper and lower side on, that do not look like the grid are beside it: an
    article's text around a figure, or a report's head. At the left and right
    pulses and names stand beside it, too.

    Args:
        grey, inside, box_px: see `paper_seen`.
        grid_px: left, top, right, bottom of the grid as far as it was found,
            and some mm around it.

    Returns:
        (top, bottom) rows of pixels, the second exclusive.
    """
    left, top, right, bottom = (
        int(np.clip(px, 0, n) / box_px)
        for px, n in zip(grid_px, grey.shape[::-1] * 2, strict=True)
    )
    columns = slice(left, max(right, left + 1))
    boxes = boxes_of(grey, inside, box_px)
    look = _look(boxes[top:bottom, columns])
    if look is None or look.std() < LEAST_CONTRAST:
        return 0, len(grey)
    # Twice as many bands as boxes, each of a box.
    step = box_px // 2
    bands = [
        boxes_of(grey[y : y + box_px], inside[y : y + box_px], box_px)[
            0, columns
        ]
        for y in range(0, len(grey), step)
    ]
    first, top_is_cut = _first_alike(bands, look)
    last, bottom_is_cut = _first_alike(bands[::-1], look)
    if first is None:
        return 0, len(grey)
    top, bottom = first * step, (len(bands) - 1 - last) * step + box_px
    return (
        0 if top_is_cut else top,
        len(grey) if bottom_is_cut else min(bottom, len(grey)),
    )


def _first_alike(bands, look):
    """The first of some bands that shows a grid, and whether the picture shows
    but a part of all before, which tells nothing.
    """
    is_cut = True
    for k, band in enumerate(bands):
        share = _share_alike(band, look)
        if share > BAND_SHARE:
            return k, is_cut
        is_cut &= np.isnan(share)
    return None, is_cut


def _look(boxes):
    """(box_px, box_px) median over boxes, around 0; None where too few show."""
    boxes = boxes.reshape(-1, *boxes.shape[-2:])
    boxes = boxes[np.isfinite(boxes).all(axis=(1, 2))]
    if len(boxes) < LEAST_TOGETHER:
        return None
    look = np.median(boxes, axis=0)
    return look - look.mean()


def _share_alike(band, look):
    """Of a band of boxes the share that looks like this; NaN if none is whole.

    Its lines may lie elsewhere: far from where the grid was found their place
    is not known.
    """
    alike = []
    for k in range(0, len(band), TOGETHER):
        own = _look(band[k : k + TOGETHER])
        if own is None:
            continue
        both = np.fft.rfft2(own) * np.fft.rfft2(look).conj()
        share = np.fft.irfft2(both, look.shape).max() / look.size / look.var()
        least = max(GRID_SHARE, GRID_LIKENESS * own.std() / look.std())
        alike.append(share > least)
    return np.mean(alike) if alike else np.nan


def boxes_of(grey, inside, box_px):
    """A picture in boxes, (n_y, n_x, box_px, box_px); NaN beyond it.

    Args:
        grey, inside, box_px: see `paper_seen`.
    """
    padding = [(0, -n % box_px) for n in grey.shape]
    shown = np.pad(
        np.where(inside, grey, np.nan), padding, constant_values=np.nan
    )
    n_y, n_x = (n // box_px for n in shown.shape)
    return shown.reshape(n_y, box_px, n_x, box_px).transpose(0, 2, 1, 3)


def paper_columns(is_paper):
    """(first, last) columns of the paper: what most of its middle rows show."""
    height, width = is_paper.shape
    middle = is_paper[height // 3 : max(2 * height // 3, 1)]
    columns = np.flatnonzero(middle.mean(axis=0) > 0.5)
    if not len(columns):
        return 0, width
    return int(columns[0]), int(columns[-1]) + 1


def _box_medians(boxes):
    """(n_y, n_x) medians of boxes; NaN where the picture shows nothing."""
    boxes = boxes.reshape(*boxes.shape[:2], -1)
    medians = np.full(boxes.shape[:2], np.nan)
    shows = np.isfinite(boxes).any(axis=-1)
    medians[shows] = np.nanmedian(boxes[shows], axis=-1)
    return medians


def _leads_to_sides(these):
    """Which of some boxes, (n_y, n_x) bool, lead to the picture's sides."""
    padded = np.pad(these, 1, constant_values=True).astype(np.uint8)
    _, parts = cv2.connectedComponents(padded, connectivity=4)
    return (parts == parts[0, 0])[1:-1, 1:-1] & these


def _begins_at_once(boxes, is_desk):
    """Whether most boxes at the desk's edge are darker than the paper there."""
    shares = []
    for quarters in range(4):
        grey, desk = (np.rot90(own, quarters) for own in (boxes, is_desk))
        is_edge = desk[:-2] & ~desk[1:-1] & ~desk[2:]
        shares.append(grey[:-2][is_edge] / np.maximum(grey[2:][is_edge], 1))
    shares = np.concatenate(shares)
    shares = shares[np.isfinite(shares)]
    return bool(len(shares)) and float(np.median(shares)) < STEP_SHARE

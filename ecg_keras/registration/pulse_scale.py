"""The scale of a picture without a grid, by its calibration pulses.

A pulse of 1 mV and 0.2 s at 25 mm/s and 10 mm/mV, which most pages have, is
10 mm high and 5 mm wide: two upright strokes and a plateau, open below. Height
and width must tell one scale, and so must two pulses at least: beats, letters
and frames have strokes, too.
"""

import cv2
import numpy as np

HEIGHT_MM, WIDTH_MM = 10.0, 5.0
# Strokes are at least so long: those of 2.1 px/mm. Odd, as OpenCV moves ends by
# an even one.
LEAST_STROKE_PX = 21
# Ink is darker than the paper by this share of what the darkest is.
INK_SHARE = 0.4
# Specks of a copy's paper are no higher and no wider; they fill pulses.
SPECK_PX = 3
# Strokes of a pulse are as high, to this share of it, and stand half of that
# apart, to this factor.
AS_HIGH, AS_WIDE = 0.08, 1.1
# Of the plateau so much is ink, and of what it encloses and lies above no more.
LEAST_INK, MOST_INK = 0.95, 0.03
# Pulses of a page are as high, to this factor.
ALIKE = 1.04
LEAST_PULSES = 2
# No page has so many upright strokes in pairs.
MOST_STROKES = 2000


def pulse_scale(grey):
    """px for each mm, as the calibration pulses of a picture tell it.

    Args:
        grey: (H, W) uint8 of a picture that lies straight.

    Returns:
        float, or None where two pulses or more do not tell it.
    """
    ink = _ink(grey)
    strokes = _strokes(ink)
    if len(strokes) > MOST_STROKES:
        return None
    scales = [_scale(ink, *pair) for pair in _edges(strokes)]
    scales = np.array([scale for scale in scales if scale is not None])
    if not len(scales):
        return None
    alike = np.abs(np.log(scales[:, None] / scales)) < np.log(ALIKE)
    best = alike[alike.sum(axis=1).argmax()]
    if best.sum() < LEAST_PULSES:
        return None
    return float(np.median(scales[best]))


def _ink(grey):
    """(H, W) uint8: 1 where it is dark, specks left out."""
    paper, darkest = np.median(grey), float(np.percentile(grey, 0.5))
    ink = (grey < paper - INK_SHARE * (paper - darkest)).astype(np.uint8)
    _, parts, boxes, _ = cv2.connectedComponentsWithStats(ink)
    sizes = boxes[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]]
    is_speck = (sizes <= SPECK_PX).all(axis=1)
    return np.where(is_speck[parts], 0, ink).astype(np.uint8)


def _strokes(ink):
    """Upright strokes: list of (x, top, bottom) in px, from the left."""
    upright = cv2.morphologyEx(
        ink, cv2.MORPH_OPEN, np.ones((LEAST_STROKE_PX, 1), np.uint8)
    )
    n_parts, _, boxes, _ = cv2.connectedComponentsWithStats(upright)
    boxes = boxes[1:n_parts]
    thin = boxes[:, 2] < 0.25 * boxes[:, 3]
    x, y, width, height, _ = boxes[thin].T.astype(float)
    strokes = np.stack([x + width / 2, y, y + height], axis=1)
    return strokes[strokes[:, 0].argsort()]


def _edges(strokes):
    """Pairs of strokes that stand as a pulse's edges do, (n, 2, 3)."""
    x, top, foot = strokes.T
    height = foot - top
    ratio = (x - x[:, None]) / height * (HEIGHT_MM / WIDTH_MM)
    apart = np.maximum(abs(top - top[:, None]), abs(foot - foot[:, None]))
    fits = (ratio > 1 / AS_WIDE) & (ratio < AS_WIDE)
    left, right = np.nonzero(fits & (apart <= AS_HIGH * height))
    return np.stack([strokes[left], strokes[right]], axis=1)


def _scale(ink, left, right):
    """px for each mm if two strokes are a pulse's edges; else None."""
    (x, top, foot), (x_end, top_end, foot_end) = left, right
    height, width = (foot + foot_end - top - top_end) / 2, x_end - x

    def share(x_from, x_to, y_from, y_to, whole_columns=False):
        """Of a part, from the left edge and the top in widths and heights."""
        columns = slice(round(x + x_from * width), round(x + x_to * width))
        first = max(round(top + y_from * height), 0)
        part = ink[first : round(top + y_to * height), columns]
        if not part.size:
            return 0.0
        return float((part.max(axis=0) if whole_columns else part).mean())

    if share(0, 1, -0.05, 0.12, whole_columns=True) < LEAST_INK:
        return None
    if share(0.25, 0.75, 0.25, 1.2) > MOST_INK:
        return None
    if share(0, 1, -0.3, -0.08) > MOST_INK:
        return None
    # From the middle of the plateau's line to the middle of the foot's: strokes
    # are longer by half of each.
    first = max(round(top - 0.05 * height), 0)
    plateau = ink[first : round(top + 0.12 * height), round(x + width / 2)]
    thick = float(plateau.sum())
    middle = first + float(np.flatnonzero(plateau).mean()) + 0.5
    return (max(foot, foot_end) - thick / 2 - middle) / HEIGHT_MM

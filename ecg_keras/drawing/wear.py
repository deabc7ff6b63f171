"""What happens to paper: print, stains, water, mould, folds, tears.

Each is a function (page, rng, strength) that changes a page (H, W, 3) uint8 in
place or returns a new one; strength is 0 (hardly to be seen) to 1.
"""

import cv2
import numpy as np

from ecg_keras.page.paper import PAGE_WIDTH_PX


def _scale(page):
    """How large a page is drawn, 1 for the full size."""
    return page.shape[1] / PAGE_WIDTH_PX


def smooth_field(rng, height, width, cells, octaves=1):
    """Smooth noise of mean 0 and deviation about 1, (height, width) float32.

    Args:
        rng: numpy Generator.
        height, width: in px.
        cells: independent values along the longer side of the first octave.
        octaves: each adds detail twice as fine and 0.6 times as strong.
    """
    total = np.zeros((height, width), np.float32)
    weight = 1.0
    for octave in range(octaves):
        size = cells * 2**octave
        longest = max(height, width)
        shape = [max(2, round(size * side / longest)) for side in
                 (height, width)]  # fmt: skip
        grid = rng.standard_normal(shape, np.float32) * weight
        total += cv2.resize(
            grid, (width, height), interpolation=cv2.INTER_CUBIC
        )
        weight *= 0.6
    return total


def blend(page, colour, cover):
    """Lay a colour over a page as ink on paper does: it only darkens.

    Args:
        page: (H, W, 3) uint8, changed in place.
        colour: RGB.
        cover: (H, W) float32, 0 (none) to 1 (full).
    """
    for channel in range(3):
        factor = 1 - cover * (1 - colour[channel] / 255)
        plane = np.ascontiguousarray(page[..., channel])
        page[..., channel] = cv2.multiply(
            plane, factor.astype(np.float32), dtype=cv2.CV_8U
        )


def laser_printed(page, rng, strength):
    """The page as a printer puts it on paper: softer, paler, another red."""
    blur_px = rng.uniform(0.3, 0.5 + 0.5 * strength) * _scale(page)
    if blur_px > 0.2:
        page = cv2.GaussianBlur(page, (0, 0), blur_px)
    saturation = rng.uniform(0.5, 1.15)
    black = rng.uniform(10, 30 + 50 * strength, (1, 1, 3)).ravel()
    white = rng.uniform(243 - 15 * strength, 255, (1, 1, 3)).ravel()
    # Colours move from or to their grey, and then from ink to paper.
    mix = saturation * np.eye(3) + (1 - saturation) / 3
    mix = mix * ((white - black) / 255)[:, None]
    return cv2.transform(page, np.column_stack([mix, black]))


def stained(page, rng, strength):
    """Coffee and water: brown pools with dark rims."""
    height, width = page.shape[:2]
    small_h, small_w = height // 4, width // 4
    for _ in range(rng.integers(1, 2 + round(4 * strength))):
        shape = smooth_field(rng, small_h, small_w, 8, 3)
        y, x = np.ogrid[:small_h, :small_w]
        centre = rng.uniform((0, 0), (small_h, small_w))
        radius = rng.uniform(0.05, 0.12 + 0.25 * strength) * small_h
        distance = np.hypot(y - centre[0], x - centre[1]) / radius
        inside = 1 - distance - 0.12 * shape
        pool = np.clip(inside * 8, 0, 1)
        rim = np.exp(-((inside * 14) ** 2))
        depth = rng.uniform(0.15, 0.3 + 0.4 * strength)
        cover = (depth * (0.6 * pool + 0.6 * rim)).astype(np.float32)
        colour = rng.uniform((110, 70, 30), (190, 150, 100))
        blend(page, colour, cv2.resize(np.clip(cover, 0, 1), (width, height)))
    return page


def soaked(page, rng, strength):
    """Water: ink runs where it was wet, and the paper dries in waves."""
    height, width = page.shape[:2]
    wet = smooth_field(rng, height // 8, width // 8, 4, 2)
    wet = np.clip(wet + 2 * strength - 1.2, 0, 1)
    wet = cv2.resize(wet, (width, height))
    run_px = (1 + 2.5 * strength) * _scale(page)
    run = cv2.GaussianBlur(page, (0, 0), max(run_px, 0.3))
    page = cv2.blendLinear(page, run, 1 - wet, wet)
    shade = smooth_field(rng, height // 8, width // 8, 12, 2)
    shade = 0.05 * strength * np.clip(shade, 0, 2)
    blend(page, (150, 130, 100), cv2.resize(shade, (width, height)))
    return page


def mouldy(page, rng, strength):
    """Colonies of dark green, brown and black specks, and a yellowed sheet."""
    height, width = page.shape[:2]
    small_h, small_w = height // 2, width // 2
    yellow = smooth_field(rng, height // 8, width // 8, 3, 3)
    yellow = np.clip(0.25 + 0.2 * yellow, 0, 1) * (0.2 + 0.7 * strength)
    blend(page, (205, 190, 140), cv2.resize(yellow, (width, height)))
    for _ in range(rng.integers(2, 4)):
        where = smooth_field(rng, small_h, small_w, 6, 3)
        speckle = smooth_field(rng, small_h, small_w, 90, 3)
        level = rng.uniform(2.6, 3.4) - 1.3 * strength
        colony = np.clip((where + 0.8 * speckle - level) * 2.5, 0, 1)
        colony *= rng.uniform(0.3, 0.55 + 0.35 * strength)
        colour = rng.uniform((20, 25, 15), (110, 110, 80))
        blend(page, colour, cv2.resize(colony, (width, height)))
    return page


def folded(page, rng, strength):
    """Folds and creases: bright where the coat broke, dark beside it."""
    height, width = page.shape[:2]
    shade = np.zeros((height // 2, width // 2), np.float32)
    for _ in range(rng.integers(2, 4 + round(10 * strength))):
        start, stop = rng.uniform(0, 1, (2, 2)) * (width // 2, height // 2)
        steps = np.linspace(0, 1, 24)[:, None]
        wobble = rng.normal(0, 2, (24, 2)) * _scale(page)
        line = start + steps * (stop - start) + wobble
        line = [line.round().astype(np.int32)]
        bright, wide = rng.uniform(10, 25 + 50 * strength), rng.integers(1, 3)
        cv2.polylines(shade, line, False, float(bright), int(wide))
        side = [line[0] + rng.choice([-2, 2])]
        cv2.polylines(shade, side, False, float(-bright), int(wide))
    shade = cv2.GaussianBlur(shade, (0, 0), 1.2)
    shade = cv2.resize(shade, (width, height)).astype(np.int16)[..., None]
    return np.clip(page + shade, 0, 255).astype(np.uint8)


def torn(page, rng, strength, behind):
    """Tears from the edge and missing parts, through which one sees `behind`.

    Args:
        behind: RGB of what lies under the page.
    """
    height, width = page.shape[:2]
    for _ in range(rng.integers(1, 2 + round(3 * strength))):
        corner = np.array([rng.uniform(0, width), rng.choice([0, height])])
        if rng.random() < 0.5:
            corner = np.array([rng.choice([0, width]), rng.uniform(0, height)])
        inward = np.array([width / 2, height / 2]) - corner
        inward = inward / np.hypot(*inward)
        across = np.array([-inward[1], inward[0]])
        depth = rng.uniform(40, 80 + 300 * strength) * _scale(page)
        half = rng.uniform(4, 10 + 90 * strength) * _scale(page)
        steps = np.linspace(-1, 1, 30)[:, None]
        outline = corner - 20 * inward + across * half * steps
        outline = outline + inward * (depth + 20) * (1 - np.abs(steps))
        outline[1:-1] += rng.normal(0, 4, (28, 2)) * _scale(page)
        shape = [outline.round().astype(np.int32)]
        cv2.polylines(page, shape, True, (235, 232, 228), 5, cv2.LINE_AA)
        cv2.fillPoly(page, shape, [int(v) for v in behind], cv2.LINE_AA)
    return page

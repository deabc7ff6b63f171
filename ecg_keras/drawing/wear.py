"""What happens to paper: print, stains, water, mould, folds, tears.

Each is a function (page, rng, strength) that changes a page (H, W, 3) uint8 in
place or returns a new one; strength is 0 (hardly to be seen) to 1. Numbers
without another origin were matched by eye to the competition's real images
and to strangers' pages (`docs/rendering.md` compares what can be counted).
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
    cover = cover.astype(np.float32)
    planes = [
        cv2.multiply(plane, 1 - cover * float(1 - value / 255), dtype=cv2.CV_8U)
        for plane, value in zip(cv2.split(page), colour, strict=True)
    ]
    cv2.merge(planes, page)


def shaded(page, light):
    """A page times light, (H, W) float32, 1 for as it is."""
    return cv2.merge([
        cv2.multiply(plane, light, dtype=cv2.CV_8U) for plane in cv2.split(page)
    ])  # fmt: skip


def laser_printed(page, rng, strength):
    """The page as a printer puts it on paper: softer, pale tones in dots.

    Matched by eye to the competition's photographed print and colour scans:
    black and red stay strong on white paper, the pale 1 mm lines come as dots.
    """
    blur_px = rng.uniform(0.3, 0.5 + 0.4 * strength) * _scale(page)
    if blur_px > 0.2:
        page = cv2.GaussianBlur(page, (0, 0), blur_px)
    # Ink spreads: thin lines gain width, gaps of dashed ones close.
    gain = rng.uniform(0.1, 0.7) * min(1.0, _scale(page))
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    page = cv2.addWeighted(page, 1 - gain, cv2.erode(page, cross), gain, 0)
    page = cv2.LUT(page, _paler(rng.uniform(0.35, 1.0)))
    height, width = page.shape[:2]
    # Pale tones are dithered: in a pale pixel a dot is there or not.
    tile = rng.standard_normal((256, 256), np.float32)
    tile = cv2.GaussianBlur(tile, (0, 0), 0.6, borderType=cv2.BORDER_REFLECT)
    dots = np.tile(tile, (height // 256 + 1, width // 256 + 1))[:height, :width]
    red, green, blue = cv2.split(page)
    pale = cv2.min(red, cv2.min(green, blue))
    # None on white, none in solid ink.
    room = cv2.LUT(pale, _dither_room(rng.uniform(0.3, 0.5 + 0.5 * strength)))
    page = shaded(page, 1 - room * (dots + np.float32(0.2)))
    saturation = rng.uniform(0.6, 1.05)
    black = rng.uniform(5, 20 + 35 * strength) + rng.uniform(-5, 5, 3)
    white = rng.uniform(248 - 10 * strength, 255) + rng.uniform(-3, 1, 3)
    # Colours move from or to their grey, and then from ink to paper.
    mix = saturation * np.eye(3) + (1 - saturation) / 3
    mix = mix * ((np.minimum(white, 255) - black) / 255)[:, None]
    return cv2.transform(page, np.column_stack([mix, black]))


def _paler(share):
    """(256,) uint8: tones near white keep only a share of their ink."""
    tone = np.arange(256.0)
    ink = 255 - tone
    kept = share + (1 - share) * np.clip(ink / 90, 0, 1)
    return (255 - ink * kept).round().astype(np.uint8)


def _dither_room(depth):
    """(256,) float32: how much a dot changes a tone, as a share of it."""
    tone = np.arange(256) / 255
    return (depth * np.clip(4 * tone * (1 - tone), 0, 1) ** 2).astype(
        np.float32
    )


def stained(page, rng, strength):
    """Coffee and water: soft translucent pools, some with a faint rim."""
    height, width = page.shape[:2]
    small_h, small_w = height // 4, width // 4
    y, x = np.ogrid[:small_h, :small_w]
    for _ in range(rng.integers(1, 3 + round(4 * strength))):
        shape = smooth_field(rng, small_h, small_w, 8, 3)
        centre = rng.uniform((0, 0), (small_h, small_w))
        radius = rng.uniform(0.05, 0.15 + 0.3 * strength) * small_h
        distance = np.hypot(y - centre[0], x - centre[1]) / radius
        inside = 1 - distance - 0.15 * shape
        soft = rng.uniform(1.0, 5.0)
        pool = np.clip(inside * soft, 0, 1)
        pool *= np.clip(0.8 + 0.25 * smooth_field(rng, small_h, small_w, 20, 2),
                        0, 1)  # fmt: skip
        rim = rng.uniform(0, 0.8) * np.exp(-((inside * 10) ** 2))
        opacity = rng.uniform(0.08, 0.2 + 0.3 * strength)
        cover = (opacity * (pool + rim)).astype(np.float32)
        colour = rng.uniform((150, 115, 70), (210, 185, 140))
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
    """Soft grey-brown patches of fine specks, more of them at the edges.

    Matched by eye to the competition's damaged photo and mouldy scans: the
    paper shows through, and black-and-white scans make dark speckle of it.
    """
    height, width = page.shape[:2]
    small_h, small_w = height // 2, width // 2
    yellow = smooth_field(rng, height // 8, width // 8, 3, 3)
    yellow = np.clip(0.1 + 0.2 * yellow, 0, 1) * (0.1 + 0.5 * strength)
    blend(page, (222, 205, 165), cv2.resize(yellow, (width, height)))
    y, x = np.ogrid[-1 : 1 : small_h * 1j, -1 : 1 : small_w * 1j]
    direction = rng.uniform(0, 2 * np.pi)
    side = np.cos(direction) * x + np.sin(direction) * y
    for _ in range(rng.integers(2, 5)):
        where = smooth_field(rng, small_h, small_w, 7, 3) + 0.5 * side
        specks = smooth_field(rng, small_h, small_w, 90, 3)
        grain = rng.standard_normal((small_h, small_w), np.float32)
        level = rng.uniform(1.7, 2.4) - 1.0 * strength
        patch = np.clip((where - level) * 0.9, 0, 1)
        cover = patch * np.clip(0.55 + 0.35 * specks + 0.18 * grain, 0, 1)
        cover *= rng.uniform(0.2, 0.4 + 0.4 * strength)
        colour = rng.uniform(0.4, 1.0) * np.array((150, 138, 110))
        colour = colour + rng.uniform(-12, 12, 3)
        cover = cv2.resize(cover.astype(np.float32), (width, height))
        blend(page, np.clip(colour, 0, 255), cover)
    # A few small colonies, dark and soft.
    spots = np.zeros((small_h, small_w), np.float32)
    for _ in range(rng.integers(0, 4 + round(12 * strength))):
        at = tuple(int(v) for v in rng.uniform((0, 0), (small_w, small_h)))
        radius = max(1, int(rng.exponential(6) * _scale(page)))
        cv2.circle(spots, at, radius, float(rng.uniform(0.1, 0.6)), -1)
    spots = cv2.GaussianBlur(spots, (0, 0), max(0.5, 4.0 * _scale(page)))
    ragged = 0.7 + 0.3 * smooth_field(rng, small_h, small_w, 120, 2)
    spots = np.clip(spots * ragged, 0, 0.9).astype(np.float32)
    blend(page, (70, 66, 58), cv2.resize(spots, (width, height)))
    return page


def folded(page, rng, strength):
    """Folds over the whole sheet: a soft shade on one side, a worn line."""
    height, width = page.shape[:2]
    small_h, small_w = height // 4, width // 4
    y, x = np.mgrid[:small_h, :small_w].astype(np.float32)
    light = np.ones((small_h, small_w), np.float32)
    for _ in range(rng.integers(1, 3)):
        angle = rng.choice([0.0, np.pi / 2]) + rng.normal(0, 0.03)
        at = rng.uniform(0.2, 0.8, 2) * (small_w, small_h)
        across = (x - at[0]) * np.cos(angle) + (y - at[1]) * np.sin(angle)
        reach = rng.uniform(0.05, 0.4) * small_w
        shade = np.exp(-np.abs(across) / reach) * np.sign(across)
        light += rng.uniform(-1, 1) * (0.03 + 0.12 * strength) * shade
        line = np.exp(-((across / max(0.7, 0.8 * _scale(page))) ** 2))
        light += rng.uniform(-0.25, 0.2) * (0.3 + strength) * line
    light = cv2.resize(light.astype(np.float32), (width, height))
    return shaded(page, light)


def creased(page, rng, strength):
    """A crumpled sheet: facets of light and dark between short creases."""
    height, width = page.shape[:2]
    small_h, small_w = height // 4, width // 4
    light = np.ones((small_h, small_w), np.float32)
    for cells in (5, 11):
        # The absolute value of a smooth field has sharp valleys: creases.
        ridge = np.abs(smooth_field(rng, small_h, small_w, cells))
        light += (0.02 + 0.07 * strength) * (np.minimum(ridge, 1.5) - 0.7)
    light = cv2.resize(light.astype(np.float32), (width, height))
    return shaded(page, light)


def torn(mask, rng, strength):
    """Tears from the edge and missing corners.

    Args:
        mask: (H, W) uint8, 255 where there is paper; changed in place.
    """
    height, width = mask.shape
    scale = width / PAGE_WIDTH_PX
    for _ in range(rng.integers(1, 2 + round(3 * strength))):
        corner = np.array([rng.uniform(0, width), rng.choice([0, height])])
        if rng.random() < 0.5:
            corner = np.array([rng.choice([0, width]), rng.uniform(0, height)])
        inward = np.array([width / 2, height / 2]) - corner
        inward = inward / np.hypot(*inward)
        across = np.array([-inward[1], inward[0]])
        depth_px = rng.uniform(40, 80 + 300 * strength) * scale
        half_px = rng.uniform(4, 10 + 90 * strength) * scale
        steps = np.linspace(-1, 1, 30)[:, None]
        outline = corner - 120 * scale * inward + across * half_px * steps
        outline = outline + inward * (depth_px + 120 * scale) * (
            1 - np.abs(steps)
        )
        outline[1:-1] += rng.normal(0, 4, (28, 2)) * scale
        cv2.fillPoly(mask, [outline.round().astype(np.int32)], 0, cv2.LINE_AA)
    return mask

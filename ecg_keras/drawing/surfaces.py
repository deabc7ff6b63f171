"""What pages lie on: desks of wood, steel and cloth, scanner beds, rooms."""

import cv2
import numpy as np

from ecg_keras.drawing.wear import smooth_field

KINDS = ("wood", "steel", "cloth", "plain", "paper")


def surface(rng, height, width, kind):
    """A picture of a surface.

    Args:
        rng: numpy Generator.
        height, width: in px.
        kind: one of `KINDS`.

    Returns:
        (height, width, 3) uint8.
    """
    # Fine detail is out of focus anyway: drawn at half the size.
    h, w = max(2, height // 2), max(2, width // 2)
    shade = _SHADES[kind](rng, h, w)
    colour = np.array(_COLOURS[kind](rng), np.float32)
    tilt_y, tilt_x = rng.normal(0, 0.12, 2)
    y, x = np.ogrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j]
    shade = (1 + shade + tilt_y * y + tilt_x * x).astype(np.float32)
    picture = np.clip(shade[..., None] * colour, 0, 255).astype(np.uint8)
    return cv2.resize(picture, (width, height))


def _wood(rng, h, w):
    """Grain along one side, wavy, in planks."""
    shade = np.zeros((h, w), np.float32)
    for cells, weight in ((6, 0.12), (40, 0.10), (160, 0.06)):
        across = rng.standard_normal((max(2, cells), 6)).astype(np.float32)
        shade += weight * cv2.resize(across, (w, h))
    bent = smooth_field(rng, h, w, 3) * 0.02 * h
    y = np.arange(h, dtype=np.float32)[:, None] + bent
    x = np.broadcast_to(np.arange(w, dtype=np.float32), (h, w))
    shade = cv2.remap(
        shade, np.ascontiguousarray(x), y.astype(np.float32),
        cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT,
    )  # fmt: skip
    for at in rng.uniform(0, h, rng.integers(0, 4)):
        cv2.line(shade, (0, int(at)), (w, int(at)), -0.4, max(1, h // 400))
    if rng.random() < 0.5:
        shade = cv2.resize(np.rot90(shade).copy(), (w, h))
    return shade


def _steel(rng, h, w):
    """Brushed: fine streaks."""
    streaks = rng.standard_normal((h, max(2, w // 60))).astype(np.float32)
    shade = 0.05 * cv2.resize(streaks, (w, h))
    return shade + 0.12 * smooth_field(rng, h, w, 2)


def _cloth(rng, h, w):
    """A weave, with folds."""
    y, x = np.ogrid[:h, :w]
    period = rng.uniform(3, 9)
    weave = np.sin(2 * np.pi * x / period) * np.sin(2 * np.pi * y / period)
    noise = rng.standard_normal((h, w)).astype(np.float32)
    shade = 0.07 * weave.astype(np.float32) + 0.05 * noise
    return shade + 0.1 * smooth_field(rng, h, w, 5, 2)


def _plain(rng, h, w):
    return 0.06 * smooth_field(rng, h, w, 3, 2)


def _paper(rng, h, w):
    """Other sheets: their edges and print."""
    shade = 0.03 * smooth_field(rng, h, w, 3)
    for _ in range(rng.integers(1, 4)):
        corner = rng.uniform(-0.2, 1.0, 2) * (w, h)
        size = rng.uniform(0.3, 0.9, 2) * (w, h)
        angle = rng.normal(0, 12)
        box = cv2.boxPoints((corner, size, angle)).round().astype(np.int32)
        cv2.fillPoly(shade, [box], float(rng.uniform(-0.1, 0.05)))
        cv2.polylines(shade, [box], True, -0.25, 2)
    return cv2.GaussianBlur(shade, (0, 0), 1.0)


_SHADES = {
    "wood": _wood, "steel": _steel, "cloth": _cloth, "plain": _plain,
    "paper": _paper,
}  # fmt: skip
_COLOURS = {
    "wood": lambda rng: rng.uniform(0.35, 1.0) * np.array((198, 150, 104)),
    "steel": lambda rng: rng.uniform(90, 190) * np.array((1.0, 1.01, 1.03)),
    "cloth": lambda rng: rng.uniform(25, 190) * rng.uniform(0.75, 1.0, 3),
    "plain": lambda rng: rng.uniform(20, 235) * rng.uniform(0.85, 1.0, 3),
    "paper": lambda rng: rng.uniform(150, 235) * np.array((1, 0.99, 0.96)),
}

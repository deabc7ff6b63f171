"""Grids whose mm are known, drawn pixel by pixel."""

import numpy as np


def lines(mm, period_mm, half_width_mm):
    """Darkness, 0 to 1, of lines at multiples of a period."""
    off = np.abs(mm - period_mm * np.round(mm / period_mm))
    return np.clip((half_width_mm - off) / 0.1 + 0.5, 0, 1)


def sheet(to_mm, height, width, fine=0.25, coarse=0.6, dots=False, seed=0):
    """(H, W, 3) uint8 picture of a sheet, reddish lines on grey paper."""
    y, x = np.mgrid[:height, :width] + 0.5
    mm_x, mm_y = np.moveaxis(to_mm(np.stack([x, y], axis=-1)), -1, 0)
    small = [lines(mm, 1.0, 0.1) for mm in (mm_x, mm_y)]
    large = [lines(mm, 5.0, 0.14) for mm in (mm_x, mm_y)]
    points = small[0] * small[1] if dots else np.maximum(*small)
    ink = np.maximum(fine * points, coarse * np.maximum(*large))
    noise = np.random.default_rng(seed).normal(0, 4, (height, width, 1))
    colour = np.array([40, 160, 150])
    image = 225 - ink[..., None] * colour + noise
    return np.clip(image, 0, 255).astype(np.uint8)


def affine(scale_x, scale_y, degrees, skew=0.0):
    turn = np.radians(degrees)
    matrix = np.array(
        [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    ) @ np.array([[scale_x, skew], [0.0, scale_y]])
    inverse = np.linalg.inv(matrix)
    return lambda px: (px - 117.3) @ inverse.T

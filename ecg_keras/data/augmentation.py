"""Light, contrast and noise of pictures varied; what they show stays true."""

import functools

import cv2
import numpy as np

# Augmentation: as far as a page may be turned, and its light vary, before a
# person would call it another kind of picture.
MAX_ROTATION_DEG = 1.5
MAX_BRIGHTNESS = 20.0  # of 255
PAGE_CONTRAST_RANGE = (0.85, 1.15)
MAX_NOISE_STD = 6.0  # of 255
NOISE_TILE_STD = 30.0
NOISE_MARGIN_PX = 64
# The light of a picture varies; so does its noise.
GAMMA_RANGE = (0.7, 1.4)
ROW_CONTRAST_RANGE = (0.75, 1.2)


def augment_image(image, seed):
    """Vary a page as a copier would; what it shows stays true.

    By OpenCV: the same in operations of TensorFlow takes five times as long.

    Args:
        image: (H, W, 3) uint8.
        seed: integers; the same seed gives the same image.

    Returns:
        (H, W, 3) uint8.
    """
    rng = np.random.default_rng(seed)
    height, width = image.shape[:2]
    degrees = rng.uniform(-MAX_ROTATION_DEG, MAX_ROTATION_DEG)
    # OpenCV counts pixel centres from 0.
    centre = (width - 1) / 2, (height - 1) / 2
    image = cv2.warpAffine(
        image,
        cv2.getRotationMatrix2D(centre, degrees, 1.0),
        (width, height),
        borderMode=cv2.BORDER_REPLICATE,
    )
    contrast = rng.uniform(*PAGE_CONTRAST_RANGE)
    brightness = rng.uniform(-MAX_BRIGHTNESS, MAX_BRIGHTNESS)
    noise = rng.uniform(0, MAX_NOISE_STD) / NOISE_TILE_STD
    top, left = rng.integers(0, NOISE_MARGIN_PX, 2)
    grain = _noise_tile(height, width)[top:, left:][:height, :width]
    # Contrast is about the mean, the tile's mean is 128.
    offset = image.mean() * (1 - contrast) + brightness - 128 * noise
    return cv2.addWeighted(image, contrast, grain, noise, offset)


@functools.lru_cache(maxsize=4)
def _noise_tile(height, width):
    """Noise larger than an image, from which each cuts its own part.

    Drawing 800,000 numbers for each image would take longer than all else.
    """
    shape = height + NOISE_MARGIN_PX, width + NOISE_MARGIN_PX, 3
    noise = np.random.default_rng(0).standard_normal(shape, np.float32)
    return np.clip(np.round(128 + NOISE_TILE_STD * noise), 0, 255).astype(
        np.uint8
    )


def vary(strip, rng):
    """Other light, contrast and noise; what the strip shows stays true."""
    levels = np.linspace(0, 1, 256)[:, None]
    gamma = np.exp(rng.uniform(*np.log(GAMMA_RANGE), (1, 3)))
    gamma = gamma if rng.random() < 0.3 else gamma[:, :1].repeat(3, axis=1)
    levels = levels**gamma
    contrast = rng.uniform(*ROW_CONTRAST_RANGE)
    levels = 0.5 + contrast * (levels - 0.5) + rng.uniform(-0.08, 0.08)
    table = np.clip(255 * levels, 0, 255).astype(np.uint8)
    strip = cv2.LUT(strip, table.reshape(256, 1, 3))
    if rng.random() < 0.5:
        noise = rng.uniform(0, MAX_NOISE_STD)
        grain = rng.integers(0, 256, strip.shape, np.uint8)
        # Uniform noise: its deviation is its width over the root of 12.
        strip = cv2.addWeighted(
            strip, 1, grain, noise * 12**0.5 / 255, -noise * 3**0.5
        )
    return strip

"""What scanners and cameras do to a picture: light, blur, noise, JPEG."""

import cv2
import numpy as np

from ecg_keras.drawing.wear import smooth_field

_NOISE_TILE_PX = 512


def lit(image, rng, strength):
    """Uneven light, a shadow's soft edge and the tint of the lamp."""
    height, width = image.shape[:2]
    small_h, small_w = height // 16 + 2, width // 16 + 2
    y, x = np.mgrid[-1 : 1 : small_h * 1j, -1 : 1 : small_w * 1j]
    angle = rng.uniform(0, 2 * np.pi)
    along = x * np.cos(angle) + y * np.sin(angle)
    light = 1 - (0.04 + 0.2 * strength) * rng.random() * (along + 1)
    light = light - 0.12 * strength * rng.random() * (x**2 + y**2)
    for _ in range(rng.integers(0, 3)):
        angle = rng.uniform(0, 2 * np.pi)
        edge = x * np.cos(angle) + y * np.sin(angle) - rng.uniform(-0.8, 0.8)
        soft = 1 / (1 + np.exp(-edge / rng.uniform(0.02, 0.2)))
        light = light * (1 - (0.1 + 0.35 * strength) * rng.random() * soft)
    tint = rng.uniform(1 - 0.12 * strength, 1, 3) * rng.uniform(0.85, 1.0)
    shades = (light[..., None] * tint).astype(np.float32)
    return _multiplied(image, shades)


def glared(image, rng, strength):
    """Bright reflections on glass."""
    height, width = image.shape[:2]
    small_h, small_w = height // 16 + 2, width // 16 + 2
    y, x = np.mgrid[0 : 1 : small_h * 1j, 0 : 1 : small_w * 1j]
    glare = np.zeros((small_h, small_w))
    for _ in range(rng.integers(1, 3)):
        centre, angle = rng.random(2), rng.uniform(0, np.pi)
        u = (x - centre[0]) * np.cos(angle) + (y - centre[1]) * np.sin(angle)
        v = (y - centre[1]) * np.cos(angle) - (x - centre[0]) * np.sin(angle)
        size = rng.uniform((0.03, 0.1), (0.1, 0.4))
        spot = np.exp(-((u / size[0]) ** 2) - (v / size[1]) ** 2)
        glare += rng.uniform(10, 30 + 70 * strength) * spot
    glare = glare[..., None].repeat(3, axis=2).astype(np.uint8)
    return cv2.add(image, cv2.resize(glare, (width, height)))


def moire(image, rng, strength):
    """The beat of a screen's pixels with the sensor's, in three colours."""
    height, width = image.shape[:2]
    period = rng.uniform(6, 30)
    angle = rng.uniform(0, np.pi)
    # The lens makes the fringes curved.
    lens = smooth_field(rng, height // 16 + 2, width // 16 + 2, 3)
    lens = cv2.resize(lens, (width, height))
    y = np.arange(height, dtype=np.float32)[:, None]
    x = np.arange(width, dtype=np.float32)[None]
    phase = (np.cos(angle) * x + np.sin(angle) * y) * (2 * np.pi / period)
    phase = (phase + 3 * lens).astype(np.float32)
    contrast = rng.uniform(0.01, 0.02 + 0.07 * strength)
    for channel, lag in enumerate(rng.uniform(0, 2, 3)):
        _, fringes = cv2.polarToCart(None, phase + np.float32(lag))
        plane = np.ascontiguousarray(image[..., channel])
        image[..., channel] = cv2.multiply(
            plane, 1 - contrast + contrast * fringes, dtype=cv2.CV_8U
        )
    return image


def sensed(image, rng, blur_px, noise, jpeg_quality):
    """Lens blur, noise of the sensor, and a JPEG file's losses.

    Args:
        image: (H, W, 3) uint8.
        rng: numpy Generator.
        blur_px: deviation of the blur; 0.2 or less for none.
        noise: deviation of the noise, of 255.
        jpeg_quality: 1 to 100; None for no JPEG.
    """
    if blur_px > 0.2:
        image = cv2.GaussianBlur(image, (0, 0), blur_px)
    # A tile of noise, laid with other offsets each time: drawing 12 million
    # numbers takes longer than all else.
    height, width = image.shape[:2]
    tile = rng.standard_normal((_NOISE_TILE_PX, _NOISE_TILE_PX, 3), np.float32)
    tile = (128 + noise * tile).round().clip(0, 255).astype(np.uint8)
    repeats = (height // _NOISE_TILE_PX + 2, width // _NOISE_TILE_PX + 2, 1)
    top, left = rng.integers(0, _NOISE_TILE_PX, 2)
    grain = np.tile(tile, repeats)[top : top + height, left : left + width]
    image = cv2.addWeighted(image, 1, grain, 1, -128)
    if jpeg_quality is None:
        return image
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(jpeg_quality)]
    _, encoded = cv2.imencode(".jpg", image, quality)
    return cv2.imdecode(encoded, cv2.IMREAD_COLOR)


def black_and_white(image, rng, strength):
    """A scanner's grey: any mix of colours, and a steep curve if strong."""
    mix = rng.dirichlet((2, 3, 2)).astype(np.float32)
    grey = cv2.transform(image, mix[None])
    levels = np.linspace(0, 1, 256)
    middle = rng.uniform(0.45, 0.75)
    steep = rng.uniform(2, 4 + 10 * strength)
    curve = 1 / (1 + np.exp(-steep * (levels - middle)))
    curve = (curve - curve[0]) / (curve[-1] - curve[0])
    share = rng.uniform(0.2, 1)
    curve = 255 * (share * curve + (1 - share) * levels)
    grey = cv2.LUT(grey, curve.round().astype(np.uint8))
    return cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)


def photocopied(image, rng, strength):
    """A copier's black and white: dark lines full black, light ones speckle.

    As on the one real black-and-white scan of the competition: full contrast,
    5 mm lines of 2 px, the 1 mm grid dissolved into dots of one px.
    """
    height, width = image.shape[:2]
    mix = rng.dirichlet((2, 5, 3)).astype(np.float32)
    grey = cv2.transform(image, mix[None])
    blurred = cv2.GaussianBlur(grey, (0, 0), rng.uniform(1.0, 2.0))
    sharp = rng.uniform(0.8, 2.5)
    grey = cv2.addWeighted(grey, 1 + sharp, blurred, -sharp, 0)
    threshold = rng.uniform(150, 225)
    spread = rng.uniform(8, 20 + 30 * strength)
    grain = rng.standard_normal((height // 2 + 1, width), np.float32)
    grain = np.concatenate([grain, -grain[::-1]])[:height] * spread
    black = grey < threshold + grain
    # Solid black in between: a soft curve below the threshold.
    steep = rng.uniform(0.1, 0.5)
    level = 255 / (1 + np.exp(-steep * (grey - (threshold - spread))))
    copy = np.where(black, np.minimum(level, 90), 255).astype(np.uint8)
    if rng.random() < 0.6:  # scanned again
        copy = cv2.GaussianBlur(copy, (0, 0), rng.uniform(0.3, 0.6))
    return cv2.cvtColor(copy, cv2.COLOR_GRAY2RGB)


def _multiplied(image, shades):
    """Multiply by a small smooth picture (h, w, 3), stretched over it."""
    height, width = image.shape[:2]
    for top in range(0, height, 256):  # in bands: no full picture of floats
        band = image[top : top + 256]
        y = (np.arange(top, top + len(band)) + 0.5) * len(shades) / height
        rows = np.clip(y, 0, len(shades) - 1).astype(int)
        factors = cv2.resize(shades[rows], (width, len(band)))
        image[top : top + 256] = cv2.multiply(band, factors, dtype=cv2.CV_8U)
    return image

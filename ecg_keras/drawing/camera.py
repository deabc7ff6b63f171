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


def cast(image, rng):
    """The light's colour and the exposure: brown, pink, green, dark, bright.

    Matched by eye to strangers' photos: paper from (105, 110, 100) to white.
    """
    tints = (
        (1, 1, 1), (1, 0.97, 0.92), (1, 0.9, 0.74), (1, 0.93, 0.93),
        (0.96, 1, 0.95), (0.94, 0.98, 1), (0.98, 0.96, 1),
    )  # fmt: skip
    tint = np.array(tints[rng.integers(len(tints))]) + rng.normal(0, 0.015, 3)
    tint = tint * (1.04 - 0.6 * rng.beta(1.2, 2.5))
    tones = np.arange(256)[:, None] * np.clip(tint, 0.2, 1.1)
    # A camera's curve lifts what is dark: paper is matte, ink never black.
    haze = rng.uniform(0, 35)
    tones = haze + tones * (1 - haze / 255)
    tones = np.clip(tones, 0, 255).round().astype(np.uint8)
    return cv2.LUT(image, tones[None])


def resampled(image, rng):
    """A file that was made smaller and larger again, well or badly."""
    height, width = image.shape[:2]
    factor = rng.uniform(1.15, 2.0)
    small = max(8, round(width / factor)), max(8, round(height / factor))
    how = cv2.INTER_AREA if rng.random() < 0.6 else cv2.INTER_LINEAR
    image = cv2.resize(image, small, interpolation=how)
    how = cv2.INTER_CUBIC if rng.random() < 0.5 else cv2.INTER_LINEAR
    return cv2.resize(image, (width, height), interpolation=how)


def held(image, rng):
    """Thumbs that hold the sheet, at the edges of a picture."""
    height, width = image.shape[:2]
    size = rng.uniform(0.05, 0.09) * max(height, width)
    skin = rng.uniform(0.35, 1.0) * np.array((232, 190, 165))
    picture = image.copy()
    for _ in range(rng.integers(1, 3)):
        side = rng.choice([0.0, 1.0])
        at = np.array([side * width, rng.uniform(0.25, 0.95) * height])
        inward = np.array([width / 2, rng.uniform(0, height)]) - at
        inward = inward / np.hypot(*inward)
        tip = at + rng.uniform(0.3, 1.2) * size * inward
        ends = [tuple(int(v) for v in p) for p in (at - 2 * size * inward, tip)]
        for share, shade in ((1.0, 0.8), (0.75, 1.0)):
            colour = [float(v) for v in np.clip(skin * shade, 0, 255)]
            wide = max(1, int(size * share))
            cv2.line(picture, *ends, colour, wide, cv2.LINE_AA)
    blur = max(0.5, size / 12)
    soft = cv2.GaussianBlur(picture, (0, 0), blur)
    changed = (picture != image).any(axis=2).astype(np.float32)
    weight = cv2.GaussianBlur(changed, (0, 0), blur / 2)
    return cv2.blendLinear(soft, image, weight, 1 - weight)


def toned(image, black, white):
    """Tones between two: black becomes `black`, white `white`."""
    tones = np.linspace(black, white, 256)
    return cv2.LUT(image, tones.round().astype(np.uint8))


def levelled(image, black, white):
    """Tones stretched: what is `black` or darker becomes 0, `white` 255."""
    tones = (np.arange(256) - black) * (255 / (white - black))
    return cv2.LUT(image, np.clip(tones, 0, 255).round().astype(np.uint8))


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
    """A black-and-white scan: ink full black, pale tones dissolved to speckle.

    As measured on the competition's one real black-and-white scan: nine levels
    of grey, white at 254; 5 mm lines black, 2 px wide; of the pink 1 mm grid
    40 % of the pixels are speckle of any grey, white paper stays white.
    """
    mix = rng.dirichlet((3, 6, 4)).astype(np.float32)
    grey = cv2.transform(image, mix[None])
    halo = cv2.GaussianBlur(grey, (0, 0), rng.uniform(0.8, 1.8))
    # Lines grow: the darker of a pixel and its surroundings.
    spread = np.float32(rng.uniform(0.2, 0.7))
    dark = 255.0 - cv2.min(grey, cv2.addWeighted(grey, 1 - spread, halo,
                                                  spread, 0))  # fmt: skip
    white = rng.uniform(0, 3 + 8 * strength)
    dark = np.maximum(dark - np.float32(white), 0)
    gain = np.float32(rng.uniform(1.3, 2.4))
    height, width = grey.shape
    tile = rng.standard_normal((_NOISE_TILE_PX, _NOISE_TILE_PX), np.float32)
    repeats = (height // _NOISE_TILE_PX + 2, width // _NOISE_TILE_PX + 2)
    top, left = rng.integers(0, _NOISE_TILE_PX, 2)
    grain = np.tile(tile, repeats)[top : top + height, left : left + width]
    # Noise grows with darkness and is gone where ink is solid.
    tone = np.arange(256)
    depth = rng.uniform(40, 75) * (1 - np.exp(-tone / 15))
    depth = depth * np.clip(1.6 - tone / 130, 0, 1)
    dark = np.clip(gain * dark, 0, 255)
    dark += cv2.LUT(dark.astype(np.uint8), depth.astype(np.float32)) * grain
    levels = int(rng.choice([2, 9, 9, 9, 9, 9, 9, 256]))
    step = 254 / (levels - 1)
    grey = 254 - step * np.round(np.clip(dark, 0, 254) / np.float32(step))
    return cv2.cvtColor(grey.astype(np.uint8), cv2.COLOR_GRAY2RGB)


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

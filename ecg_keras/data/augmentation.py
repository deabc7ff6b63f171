"""Light, contrast and noise of pictures varied; what they show stays true.

The ranges were chosen by eye, on pages and row images that this package drew:
a person still reads every trace at their ends. They are no fit to any scanner;
what a scanner or camera does is drawn beforehand (`drawing.wear`, `.camera`).
"""

import cv2
import numpy as np

# Exponent of the tone curve; 1 leaves the picture as it is.
GAMMA_RANGE = (0.7, 1.4)
# Share of pictures whose red, green and blue have curves of their own: paper
# and light of other colours.
TINTED_SHARE = 0.3
# Contrast about middle grey, and brightness as a share of the full range.
CONTRAST_RANGE = (0.75, 1.2)
MAX_BRIGHTNESS = 0.08
# Share of pictures with noise, and its largest standard deviation, of 255.
NOISY_SHARE = 0.5
MAX_NOISE_STD = 6.0
# As far as a page lies turned on a scanner.
MAX_ROTATION_DEG = 1.5


def augment_page(image, seed):
    """A page turned a little, in other light.

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
    return vary_light(image, rng)


def vary_light(image, rng):
    """Other light, contrast and noise; nothing moves.

    By OpenCV, whose table of 256 values takes a fifth of the time of the same
    in operations of TensorFlow.

    Args:
        image: (H, W, 3) uint8.
        rng: numpy Generator.

    Returns:
        (H, W, 3) uint8.
    """
    gamma = np.exp(rng.uniform(*np.log(GAMMA_RANGE), (1, 3)))
    if rng.random() >= TINTED_SHARE:
        gamma[:] = gamma[:, :1]
    levels = np.linspace(0, 1, 256)[:, None] ** gamma
    levels = 0.5 + rng.uniform(*CONTRAST_RANGE) * (levels - 0.5)
    levels += rng.uniform(-MAX_BRIGHTNESS, MAX_BRIGHTNESS)
    table = np.clip(255 * levels, 0, 255).astype(np.uint8)
    image = cv2.LUT(image, table.reshape(256, 1, 3))
    if rng.random() < NOISY_SHARE:
        std = rng.uniform(0, MAX_NOISE_STD)
        grain = rng.integers(0, 256, image.shape, np.uint8)
        # Uniform noise: its deviation is its width over the root of 12.
        image = cv2.addWeighted(
            image, 1, grain, std * 12**0.5 / 255, -std * 3**0.5
        )
    return image

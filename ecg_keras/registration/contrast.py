"""A picture -> how much each pixel is darker than its surroundings.

Lines of any colour on any paper are dark in the darkest of the three channels.
What is much darker than the typical line nearby, such as a trace, is compressed
to little more than a line: a page's traces must not outshout its grid.
"""

import cv2
import numpy as np

# Half of the compressed range is reached at this many mean absolute contrasts.
_COMPRESSION = 1.5
# Contrast below this, of 255, is noise of an empty area.
_NOISE = 0.5


def contrast(grey, window_px):
    """Darkness against the surroundings, compressed to -1 to 1.

    Args:
        grey: (H, W) uint8 or float32, 0 to 255.
        window_px: side of the surroundings in px, some periods of the grid.

    Returns:
        (H, W) float32; 0 on even paper, positive where it is darker.
    """
    grey = grey.astype(np.float32)
    window = (int(window_px), int(window_px))
    depth = cv2.blur(grey, window) - grey
    size = np.abs(depth)
    typical = cv2.blur(size, window) + _NOISE
    return depth / (size + _COMPRESSION * typical)


def reduced(image, factor):
    """A picture made smaller by area averaging; as it is for factors >= 1."""
    if factor >= 1:
        return image
    size = (
        max(1, round(image.shape[1] * factor)),
        max(1, round(image.shape[0] * factor)),
    )
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)

"""Whether a picture shows another page beside the one whose grid was found.

An article may show two of them, one below the other. Each has a grid of its
own, at another phase or scale, so that one alone is found.
"""

import numpy as np

from ecg_keras.ecg.digitized import GOOD
from ecg_keras.registration.register import MARGIN_MM

# The shorter and longer side of a page, mm: of a grid that is its own. Of 43
# pages one shows more of its own grid beside what was found, 44 x 132 mm; of 19
# pictures of two pages all show the other's on 92 x 240 mm or more.
LEAST_MM = (60.0, 100.0)


def shows_other_grid(image, registration, register):
    """Whether there is a page's grid beside the one that was found.

    Args:
        image: (H, W, 3) uint8 RGB.
        registration: the `Registration` of it, with a map.
        register: the function that found it.

    Returns:
        bool.
    """
    paper_map = registration.paper_map
    left, top, right, bottom = paper_map.bounds_mm
    middle = [(left + right) / 2, (top + bottom) / 2]
    least_px = LEAST_MM[0] * min(paper_map.local_scale(middle)[:2])
    return any(
        _is_a_pages(register(part, None))
        for part in _parts_beside(image, paper_map)
        if min(part.shape[:2]) > least_px
    )


def _is_a_pages(found):
    """Whether a `Registration` is that of a page's grid."""
    # A desk's pattern may repeat, too.
    if found.quality != GOOD:
        return False
    sides_mm = [found.residuals.get(k, 0.0) for k in ("width_mm", "height_mm")]
    return bool((np.sort(sides_mm) > LEAST_MM).all())


def _parts_beside(image, paper_map):
    """The parts of a picture above, below, left and right of a grid."""
    left, top, right, bottom = paper_map.bounds_mm + MARGIN_MM * np.array(
        [1, 1, -1, -1]
    )
    x_mm, y_mm = np.meshgrid(
        np.linspace(left, right, 9), np.linspace(top, bottom, 9)
    )
    px = paper_map.to_px(np.stack([x_mm, y_mm], axis=-1).reshape(-1, 2))
    size = image.shape[1::-1]
    left, top = px.min(axis=0).clip(0, size).astype(int)
    right, bottom = px.max(axis=0).clip(0, size).astype(int)
    for part in (
        image[:top], image[bottom:], image[:, :left], image[:, right:]
    ):  # fmt: skip
        yield np.ascontiguousarray(part)

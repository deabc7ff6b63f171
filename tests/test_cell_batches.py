"""What the registration networks learn from, against a lattice of dots.

Dots lie at known points of the page. Wherever a moved picture shows one, the
cell targets around it have to tell the page point of a dot.
"""

import cv2
import numpy as np
import pytest
from scipy.interpolate import RegularGridInterpolator

from ecg_keras.data.cell_batches import (
    ANY,
    FLAT,
    PLACED,
    SmallPictures,
    example,
)
from ecg_keras.page.cells import (
    CELL_PX,
    SHRINK,
    UNIT_PX,
    cell_centres_px,
    cell_counts,
)
from ecg_keras.page.page_map import PageMap

SPACING_PX = 200
DOT_STD = 2.5  # px of the small picture
# A picture of the page: turned a little and seen from aside, with a wave.
PICTURE_MAP = PageMap(
    np.array([[0.99, 0.02, 12.0], [-0.03, 1.02, -20.0], [1e-6, -5e-6, 1.0]]),
    np.array([[3.0, -4.0, 1 / 2200, 1 / 1700, 0.4]]),
)


@pytest.fixture(scope="module")
def dots():
    """Small pictures of the page's dots: white on black."""
    height, width = 213, 275
    centres = np.stack(
        np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), axis=-1
    )
    page = PICTURE_MAP.to_page(centres * SHRINK)
    # Distance to the nearest dot, in px of the small picture.
    off = (page + SPACING_PX / 2) % SPACING_PX - SPACING_PX / 2
    distance = np.linalg.norm(off, axis=-1) / SHRINK
    grey = 255 * np.exp(-0.5 * (distance / DOT_STD) ** 2)
    image = np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)
    return SmallPictures(image[None], (PICTURE_MAP,), np.array([True]))


def _found_dots(image, inside):
    """Picture px (n, 2) of bright dots, where all is page around them."""
    grey = cv2.GaussianBlur(image.mean(axis=2).astype(np.float32), (0, 0), 1)
    peak = grey == cv2.dilate(grey, np.ones((5, 5)))
    low, high = np.percentile(grey[inside], (20, 99.5))
    y, x = np.nonzero(peak & inside & (grey > 0.35 * low + 0.65 * high))
    near = np.arange(-1, 2)
    refined = []
    for row, column in zip(y, x, strict=True):
        # A parabola through the peak and its neighbours, each way.
        across = grey[row, column + near]
        down = grey[row + near, column]
        shift = [
            0.5 * (v[0] - v[2]) / min(v[0] - 2 * v[1] + v[2], -1e-6)
            for v in (across, down)
        ]
        refined.append((column + shift[0] + 0.5, row + shift[1] + 0.5))
    return SHRINK * np.array(refined).reshape(-1, 2)


def _told(target):
    """(page point of picture points, by interpolating a target; known px)."""
    points = cell_centres_px() + target[..., :2] * UNIT_PX
    axes = cell_centres_px()[:, 0, 1], cell_centres_px()[0, :, 0]
    look_up = RegularGridInterpolator(axes, points)
    known = np.isfinite(target[..., 0]).astype(np.uint8)
    # Cells whose neighbours are known, too.
    known = cv2.erode(known, np.ones((3, 3)), borderValue=0)
    step = CELL_PX // SHRINK
    return look_up, np.kron(known, np.ones((step, step), np.uint8)) > 0


@pytest.mark.parametrize("pose", [FLAT, PLACED, ANY])
def test_targets_tell_the_page_points_of_what_the_picture_shows(dots, pose):
    errors_px, n_expected = [], 0
    for position in range(24):
        image, target = example(dots, seed=4, position=position, pose=pose)
        assert image.shape == (213, 275, 3) and image.dtype == np.uint8
        assert target.shape == (*cell_counts(), 3)
        if not np.isfinite(target[..., 0]).any():
            continue
        look_up, inside = _told(target)
        inside = inside[:213, :275]
        found = _found_dots(image, inside)
        if not len(found):
            continue
        page = look_up(found[:, ::-1])
        off = (page + SPACING_PX / 2) % SPACING_PX - SPACING_PX / 2
        errors_px.extend(np.linalg.norm(off, axis=1))
        n_expected += 1
    assert n_expected > 12 and len(errors_px) > 200
    # Measured 0.12 to 0.19 px; a pixel of the small picture is 8 px of the
    # page, and points chosen at random would be 77 px off.
    assert np.median(errors_px) < 0.4
    assert np.percentile(errors_px, 90) < 1


@pytest.mark.parametrize("pose", [FLAT, PLACED, ANY])
def test_the_label_says_whether_a_moved_page_can_be_read(dots, pose):
    labels, known = [], []
    for position in range(80):
        _, target = example(dots, seed=1, position=position, pose=pose)
        assert len(np.unique(target[..., 2])) == 1
        labels.append(target[0, 0, 2])
        known.append(np.isfinite(target[..., 0]).any())
    # 6 to 10 % are spoilt; where flat pages cannot be read, they are nowhere.
    assert 0.8 < np.mean(labels) < 1
    if pose == FLAT:
        np.testing.assert_array_equal(np.array(labels) == 1, known)
    unreadable = SmallPictures(dots.images, dots.maps, np.array([False]))
    _, target = example(unreadable, seed=1, position=0, pose=pose)
    assert target[0, 0, 2] == 0

"""Registration of grids whose mm are known, drawn pixel by pixel."""

import numpy as np
import pytest

from ecg_keras.registration import register as registration
from ecg_keras.registration.lattice import Lattice
from ecg_keras.registration.register import register
from tests.grids import affine, lines, sheet


def _errors_mm(paper_map, to_mm, height, width):
    """By how much the mm of places are off, up to a whole number of boxes."""
    y, x = np.mgrid[40 : height - 40 : 25, 40 : width - 40 : 25] + 0.5
    px = np.stack([x, y], axis=-1).reshape(-1, 2)
    off = paper_map.to_mm(px) - to_mm(px)
    return off - 5 * np.round(np.median(off, axis=0) / 5)


@pytest.mark.parametrize(
    ("scale_x", "scale_y", "degrees", "dots"),
    [(5.0, 5.0, 0.0, False), (3.1, 2.9, -7.0, False), (7.9, 8.6, 4, True)],
)
def test_millimetres_of_a_turned_grid_are_found(
    scale_x, scale_y, degrees, dots
):
    height, width = 480, 720
    to_mm = affine(scale_x, scale_y, degrees)
    found = register(sheet(to_mm, height, width, dots=dots))
    assert found.px_per_mm_x == pytest.approx(scale_x, rel=0.002)
    assert found.px_per_mm_y == pytest.approx(scale_y, rel=0.002)
    assert found.rotation_deg == pytest.approx(degrees, abs=0.05)
    off = _errors_mm(found.paper_map, to_mm, height, width)
    assert np.abs(off).max() < 0.1


def test_lines_of_a_millimetre_that_are_all_alike_are_none_of_five():
    """A sheet that would be larger than any page is taken for a part of one."""
    height, width = 1100, 1500
    to_mm = affine(13.0, 13.4, 6.0)
    found = register(sheet(to_mm, height, width, fine=0.6, coarse=0.0))
    assert found.px_per_mm_x == pytest.approx(13.0, rel=0.005)
    assert found.px_per_mm_y == pytest.approx(13.4, rel=0.005)


def test_each_third_line_that_is_darker_is_none_of_five():
    """By it the sheet would be smaller than any page."""
    height, width = 480, 720
    to_mm = affine(4.1, 4.1, 0.5)
    y, x = np.mgrid[:height, :width] + 0.5
    mm = np.moveaxis(to_mm(np.stack([x, y], axis=-1)), -1, 0)
    darker = 50 * np.maximum(*(lines(of_axis, 15.0, 0.2) for of_axis in mm))
    image = sheet(to_mm, height, width) - darker[..., None]
    found = register(image.clip(0, 255).astype(np.uint8))
    assert found.quality == "good"
    assert found.px_per_mm_x == pytest.approx(4.1, rel=0.002)


def test_a_lattice_whose_lines_are_not_seen_hides_no_other(monkeypatch):
    """As of a page longer than it is high: one scale is right, one is not."""
    height, width = 617, 1504
    wrong, right = (
        Lattice(np.diag(scales), np.array([752.0, 308.0]), 6.0, fine, 2.0)
        for scales, fine in (((4.84, 5.25), 4.5), ((4.73, 4.4), 3.0))
    )
    monkeypatch.setattr(
        registration, "find_lattices", lambda grey: [wrong, right]
    )
    to_mm = affine(4.85, 4.33, 0.0)
    found = register(sheet(to_mm, height, width))
    assert found.quality == "good"
    errors = _errors_mm(found.paper_map, to_mm, height, width)
    assert np.abs(errors).max() < 0.1


def test_a_feed_that_skips_a_millimetre_is_followed():
    height, width = 560, 840

    def to_mm(px):
        skipped = px[..., 0] + 3.0 * np.tanh((px[..., 0] - 430) / 8.0)
        return np.stack([skipped, px[..., 1]], axis=-1) / 4.2

    found = register(sheet(to_mm, height, width))
    off = _errors_mm(found.paper_map, to_mm, height, width)
    assert np.abs(off).max() < 0.25
    assert np.sqrt((off**2).mean()) < 0.05


@pytest.mark.parametrize("kind", ["blank", "noise", "text"])
def test_pictures_without_a_grid_are_refused(kind):
    rng = np.random.default_rng(1)
    image = np.full((400, 600, 3), 235, np.uint8)
    if kind == "noise":
        image = rng.integers(0, 255, image.shape, np.uint8)
    if kind == "text":
        for top in range(20, 380, 17):
            for left in np.cumsum(rng.integers(7, 30, 24)):
                image[top : top + 9, left : left + rng.integers(2, 6)] = 30
    found = register(image)
    assert found.quality == "refused"
    assert found.paper_map is None
    assert found.reasons


def test_a_working_size_of_whole_px_does_not_stretch_the_map():
    # 4.5 / 7.874 of 1110 and of 700 px are 634.4 and 400.1 px: taken for 634
    # and 400, the map was 0.06 and 0.11 % off.
    height, width = 700, 1110
    found = register(sheet(affine(7.874, 7.874, 0.0), height, width))
    ends_px = [
        [[30, height / 2], [width - 30, height / 2]],
        [[width / 2, 30], [width / 2, height - 30]],
    ]
    for (first, last), size_px in zip(
        found.paper_map.to_mm(np.array(ends_px)), (width, height), strict=True
    ):
        length_mm = np.hypot(*(last - first))
        assert length_mm == pytest.approx((size_px - 60) / 7.874, rel=3e-4)


def test_where_a_corner_curls_the_map_follows_or_says_that_it_is_lost():
    height, width = 640, 900

    def to_mm(px):
        mm = px / 4.2
        corner = np.maximum(0, (px[..., 0] / width + px[..., 1] / height) - 1.3)
        return mm + 9.0 * corner[..., None] ** 2 * np.array([1.0, 0.6])

    found = register(sheet(to_mm, height, width))
    y, x = np.mgrid[5:height:20, 5:width:20] + 0.5
    px = np.stack([x, y], axis=-1).reshape(-1, 2)
    mm = found.paper_map.to_mm(px)
    off = mm - to_mm(px)
    off -= 5 * np.round(np.median(off, axis=0) / 5)
    sure = found.paper_map.std_mm_at(mm) < 0.3
    assert sure.mean() > 0.8
    assert np.abs(off[sure]).max() < 0.5

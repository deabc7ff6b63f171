"""Pictures of pages: where their pixels lie, and that they differ."""

import dataclasses
import functools

import cv2
import numpy as np
import pytest

from ecg_keras.drawing import camera, wear
from ecg_keras.drawing.canvas import blank_page
from ecg_keras.drawing.image_types import KINDS, QR_PX, degrade
from ecg_keras.page.page_map import PageMap
from ecg_keras.page.paper import (
    COARSE_GRID_MM,
    PAGE_HEIGHT_PX,
    PAGE_WIDTH_PX,
    PX_PER_MM,
)

SPACING_PX = COARSE_GRID_MM * PX_PER_MM
# (H, W) of pictures whose own size does not matter.
SMALL = (425, 550)


@pytest.fixture(scope="module")
def page():
    """Only the 5 mm grid, in black: what is not grid cannot mislead."""
    return blank_page((0, 0, 0), None)


def _rng(seed=3):
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def full(page):
    """A kind -> its picture and map at its own size, drawn once."""
    return functools.cache(lambda kind: degrade(page, kind, _rng(8)))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_maps_go_to_the_page_and_back(page, kind):
    _, page_map = degrade(page, kind, _rng(), SMALL)
    points = _rng(1).uniform((200, 200), (2000, 1500), (200, 2))
    back = page_map.to_page(page_map.to_picture(points))
    np.testing.assert_allclose(back, points, atol=1e-6)


@pytest.mark.parametrize("kind", ["0003", "0005", "0006", "0009"])
def test_the_dense_map_is_that_of_points(full, kind):
    picture, page_map = full(kind)
    height, width = picture.shape[:2]
    dense = page_map.dense(height, width)
    assert dense.shape == (height, width, 2)
    y, x = _rng(1).integers(0, (height, width), (300, 2)).T
    points = page_map.to_page(np.stack([x, y], axis=-1) + 0.5)
    np.testing.assert_allclose(dense[y, x], points, atol=0.02)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_grid_crossings_of_the_warped_back_picture_are_on_the_page(
    page, full, kind
):
    """Within 0.3 px, in the median."""
    picture, page_map = full(kind)
    lines_x = 0.5 + SPACING_PX * np.arange(4, 52, 3)
    lines_y = page.shape[0] + 0.5 - SPACING_PX * np.arange(4, 40, 3)
    reach = np.arange(-10, 10.01, 0.25)
    errors = []
    darkest = picture.min(axis=2)
    for x0 in lines_x:
        for y0 in lines_y:
            # Across each of the two lines, a little beside the crossing.
            for across, along in ((0, 1), (1, 0)):
                points = np.full((len(reach), 2), (x0, y0))
                points[:, across] += reach
                points[:, along] += SPACING_PX / 2
                found = page_map.to_picture(points) - 0.5
                grey = cv2.remap(
                    darkest,
                    found.astype(np.float32)[None],
                    None,
                    cv2.INTER_LINEAR,
                )[0].astype(float)
                dark = np.clip(np.median(grey) - grey - 8, 0, None)
                near = np.abs(reach) < 4
                if dark[near].sum() > 20:
                    errors.append((reach * dark)[near].sum() / dark[near].sum())
    assert len(errors) > 50
    assert np.median(np.abs(errors)) < 0.3


def test_pictures_are_a_function_of_the_seed_and_differ(page):
    first, _ = degrade(page, "0011", _rng(1), SMALL)
    again, _ = degrade(page, "0011", _rng(1), SMALL)
    other, _ = degrade(page, "0011", _rng(2), SMALL)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_degrading_leaves_the_page_as_it_was(page):
    before = page.copy()
    for kind in KINDS:
        degrade(page, kind, _rng(4), size=(170, 220))
    np.testing.assert_array_equal(page, before)


@pytest.mark.parametrize("kind", ["0001", *sorted(KINDS)])
def test_a_picture_can_be_drawn_small(page, full, kind):
    picture, page_map = degrade(page, kind, _rng(8), size=(128, 160))
    assert picture.shape == (128, 160, 3) and picture.dtype == np.uint8
    whole, full_map = full(kind)
    ratio = np.array([whole.shape[1] / 160, whole.shape[0] / 128])
    points = np.array([[20.0, 30.0], [120.0, 90.0]])
    np.testing.assert_allclose(
        page_map.to_page(points), full_map.to_page(points * ratio), atol=1e-6
    )


def test_black_and_white_scans_have_no_colour():
    page = blank_page()
    for kind in ("0004", "0012"):
        picture, _ = degrade(page, kind, _rng(6), SMALL)
        spread = np.ptp(picture.astype(int), axis=2)
        assert np.median(spread) < 16


def test_quarter_turns_happen_to_damaged_photos_only(page):
    turns = {
        kind: {
            _quarter(degrade(page, kind, _rng(seed), (90, 120))[1])
            for seed in range(12)
        }
        for kind in ("0005", "0010")
    }
    assert turns["0005"] == {0}
    assert len(turns["0010"]) > 2


@pytest.mark.slow
@pytest.mark.floor
def test_a_turned_photo_is_as_wide_as_the_upright_one_is_high(page):
    seed_of = {
        _quarter(degrade(page, "0010", _rng(seed), (90, 120))[1]) % 2: seed
        for seed in range(12)
    }
    for is_turned, sizes in (
        (0, {(3024, 4032), (3000, 4000)}),
        (1, {(4032, 3024), (4000, 3000)}),
    ):
        picture, page_map = degrade(page, "0010", _rng(seed_of[is_turned]))
        assert _quarter(page_map) % 2 == is_turned
        assert picture.shape[:2] in sizes


def test_a_curled_sheet_before_a_camera_held_upright_is_drawn(
    page, monkeypatch
):
    """Its generator was once overwritten by the shift to the middle."""
    curled = dataclasses.replace(KINDS["0006"], curl_px=(5.0, 0.0))
    monkeypatch.setitem(KINDS, "0006", curled)
    _, page_map = degrade(page, "0006", _rng(3), size=(160, 120))
    assert page_map.waves.shape == (3, 5)
    assert 0 < np.abs(page_map.waves[:, :2]).max() <= 5


def _quarter(page_map):
    """Quarter turns between picture and page, 0 to 3."""
    ends = page_map.to_page(np.array([[40.0, 45.0], [80.0, 45.0]]))
    x, y = ends[1] - ends[0]
    return round(np.degrees(np.arctan2(y, x)) / 90) % 4


def test_a_map_survives_json(page):
    _, page_map = degrade(page, "0009", _rng(7), SMALL)
    again = PageMap.from_dict(page_map.to_dict())
    points = np.array([[500.0, 600.0]])
    np.testing.assert_array_equal(
        page_map.to_page(points), again.to_page(points)
    )


def test_a_slip_of_the_feed_moves_all_that_lies_beyond_it():
    slip = np.array([[0, 900.0, 60.0, 9.0]])
    page_map = PageMap(np.eye(3), np.zeros((0, 5)), slip)
    y = np.linspace(100, 1600, 5)
    for x, shift_px in ((200.0, -4.5), (900.0, 0.0), (2000.0, 4.5)):
        points = np.stack([np.full(5, x), y], axis=1)
        expected = points + (shift_px, 0)
        np.testing.assert_allclose(page_map.to_page(points), expected)
        np.testing.assert_allclose(
            page_map.to_picture(expected), points, atol=1e-6
        )
    again = PageMap.from_dict(page_map.scaled(0.5, 0.5).to_dict())
    np.testing.assert_array_equal(again.slips, slip)
    np.testing.assert_allclose(
        again.to_page([[1000.0, 50.0]]), [[2004.5, 100.0]]
    )


def test_some_scans_slip_and_no_photo_does(page):
    slipped = {
        kind: [
            len(degrade(page, kind, _rng(seed), (90, 120))[1].slips) > 0
            for seed in range(12)
        ]
        for kind in ("0003", "0005")
    }
    assert 2 < sum(slipped["0003"]) < 12
    assert not any(slipped["0005"])


def test_a_black_and_white_scan_is_black_and_white_with_speckle_between():
    page = np.full((400, 400, 3), 255, np.uint8)
    page[:, 200:] = (254, 236, 233)  # as a blurred 1 mm grid
    page[100:104] = 20
    shares = []
    for seed in range(8):
        copy = camera.photocopied(page, _rng(seed), 0.5)[..., 0]
        assert np.median(copy[101:103]) == 0
        assert (copy[150:, :180] > 250).mean() > 0.99
        shares.append((copy[150:, 220:] < 230).mean())
    # 40 % of a real one's pixels between the 5 mm lines.
    assert min(shares) < 0.4 < max(shares)


@pytest.mark.parametrize("name", ["stained", "mouldy", "soaked", "creased"])
def test_wear_keeps_most_of_a_page_and_changes_some(name):
    page = np.full((340, 440, 3), 250, np.uint8)
    page[::40] = (255, 0, 0)
    worn = getattr(wear, name)(page.copy(), _rng(2), 0.8)
    assert worn.shape == page.shape and worn.dtype == np.uint8
    change = np.abs(worn.astype(int) - page).max(axis=2)
    assert 0.02 < (change > 3).mean()
    assert np.median(change) < 60


def test_prints_lie_on_a_sheet_with_a_white_margin_and_a_qr_code():
    page = np.full((PAGE_HEIGHT_PX, PAGE_WIDTH_PX, 3), 255, np.uint8)
    page[...] = (255, 225, 220)
    picture, page_map = degrade(page, "0003", _rng(1))
    left, top, size = QR_PX
    for point, is_white in (
        ((left + size + 12, top + size / 2), True),  # beside the code
        ((-8, 800), True),  # the margin
        ((1000, 800), False),
    ):
        x, y = page_map.to_picture(np.array(point, float)).astype(int)
        patch = picture[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3)
        redness = np.ptp(patch.mean(axis=0))
        assert (redness < 6) == is_white
    ends = np.array([[left, top], [left + size, top + size]], float)
    (x0, y0), (x1, y1) = page_map.to_picture(ends).astype(int)
    code = picture[y0:y1, x0:x1].mean(axis=2)
    assert 0.3 < (code < 128).mean() < 0.7

"""PaperMap against maps that can be written down."""

import json

import cv2
import numpy as np
import pytest

from ecg_keras.errors import InputError
from ecg_keras.page.page_map import PageMap
from ecg_keras.page.paper import PX_PER_MM
from ecg_keras.page.paper_map import PaperMap

BOUNDS_MM = (-20.0, 5.0, 100.0, 75.0)
HOMOGRAPHY = np.array([[8.0, -1.0, 300.0], [0.9, 7.5, 60.0], [4e-4, 2e-4, 1.0]])


def _project(points):
    moved = points @ HOMOGRAPHY[:, :2].T + HOMOGRAPHY[:, 2]
    return moved[..., :2] / moved[..., 2:]


def _curled(points):
    """A homography, a wave, and a feed that skips 8 px within 5 mm."""
    x, y = points[..., 0], points[..., 1]
    px = _project(points)
    px[..., 0] += 4 * np.tanh((x - 40) / 2.5) + 5 * np.sin(y / 15)
    px[..., 1] += 6 * np.sin(x / 20)
    return px


def _points(n=500):
    rng = np.random.default_rng(0)
    return rng.uniform((-18, 8), (98, 73), (n, 2))


def test_an_affine_map_is_exact_everywhere():
    affine = HOMOGRAPHY[:2] / 2
    paper_map = PaperMap.from_homography(affine, BOUNDS_MM, step_mm=7.0)
    points = np.concatenate([_points(), [[-500.0, 900.0], [400.0, -70.0]]])
    px = points @ affine[:, :2].T + affine[:, 2]
    np.testing.assert_allclose(paper_map.to_px(points), px, atol=1e-9)
    np.testing.assert_allclose(paper_map.to_mm(px), points, atol=1e-6)


def test_a_stretched_map_has_fewer_and_longer_mm_along_x():
    paper_map = PaperMap.from_homography(HOMOGRAPHY, BOUNDS_MM)
    stretched = paper_map.stretched(30.0, 1.01)
    points = _points()
    longer = points.copy()
    longer[:, 0] = 30.0 + 1.01 * (points[:, 0] - 30.0)
    np.testing.assert_allclose(
        stretched.to_px(points), paper_map.to_px(longer), atol=1e-9
    )


def test_points_in_the_picture_are_told_from_those_beyond():
    paper_map = PaperMap.from_homography(np.diag([8.0, 8.0, 1.0]), BOUNDS_MM)
    points = np.array([[0, 0], [-0.1, 0], [10, 5], [10.2, 5], [10, 5.2]])
    inside = paper_map.in_picture(points, (40, 80, 3))
    assert inside.tolist() == [True, False, True, False, False]


def test_a_homography_is_followed_to_a_hundredth_of_a_px():
    paper_map = PaperMap.from_homography(HOMOGRAPHY, BOUNDS_MM)
    points = _points()
    off = paper_map.to_px(points) - _project(points)
    assert np.abs(off).max() < 0.01


def test_a_skip_of_the_feed_is_followed_by_nodes_close_in_x():
    points = _points()
    for step_x_mm, limit_px in ((2.5, 0.3), (1.0, 0.01)):
        paper_map = PaperMap.from_function(_curled, BOUNDS_MM, (step_x_mm, 2.5))
        off = paper_map.to_px(points) - _curled(points)
        assert np.abs(off).max() < limit_px


def test_to_mm_inverts_to_px_on_a_curled_sheet():
    paper_map = PaperMap.from_function(_curled, BOUNDS_MM, (1.0, 2.5))
    points = _points(2000).reshape(4, 500, 2)
    back = paper_map.to_mm(paper_map.to_px(points))
    assert back.shape == points.shape
    np.testing.assert_allclose(back, points, atol=1e-5)


def test_jacobian_is_the_derivative_of_to_px():
    paper_map = PaperMap.from_function(_curled, BOUNDS_MM)
    points, step = _points(50), 1e-4
    numeric = np.stack(
        [
            (paper_map.to_px(points + d) - paper_map.to_px(points - d))
            / (2 * step)
            for d in np.eye(2) * step
        ],
        axis=-1,
    )
    np.testing.assert_allclose(paper_map.jacobian(points), numeric, atol=1e-5)


def test_a_raster_is_what_its_points_are():
    paper_map = PaperMap.from_function(_curled, BOUNDS_MM)
    x_mm, y_mm = np.linspace(-25, 104, 37), np.linspace(0, 80, 11) ** 1.01
    where = np.stack(paper_map.raster_px(x_mm, y_mm), axis=-1)
    points = np.stack(np.meshgrid(x_mm, y_mm), axis=-1)
    assert where.shape == (11, 37, 2)
    np.testing.assert_allclose(where, paper_map.to_px(points), rtol=1e-5)


def test_a_sample_at_a_pixel_centre_is_the_pixel():
    image = np.random.default_rng(0).integers(0, 255, (12, 20, 3), np.uint8)
    half = PaperMap.from_homography([[2.0, 0, 0], [0, 2.0, 0]], (0, 0, 10, 6))
    x_mm, y_mm = (np.arange(20) + 0.5) / 2, (np.arange(12) + 0.5) / 2
    np.testing.assert_array_equal(half.sampled(image, x_mm, y_mm), image)


def test_scale_and_clockwise_rotation_are_those_of_the_map():
    turn = np.radians(10)
    # x right, y down: a clockwise turn takes x towards y.
    matrix = np.array(
        [
            [6 * np.cos(turn), -5 * np.sin(turn), 40],
            [6 * np.sin(turn), 5 * np.cos(turn), 50],
        ]
    )
    paper_map = PaperMap.from_homography(matrix, BOUNDS_MM)
    assert paper_map.local_scale((30, 30)) == pytest.approx((6, 5, 10))


def test_resized_and_cut_pictures_keep_their_mm():
    image = np.random.default_rng(0).integers(0, 255, (80, 120), np.uint8)
    paper_map = PaperMap.from_homography(
        [[4.0, 0, 3], [0, 4.0, 5]], (0, 0, 30, 18)
    )
    smaller = cv2.resize(image, (60, 40), interpolation=cv2.INTER_AREA)
    scaled = paper_map.scaled(0.5, 0.5)
    # Pixel (2, 3) of the small picture covers 4..6, 6..8 of the large one.
    np.testing.assert_allclose(
        scaled.to_mm([2.5, 3.5]), paper_map.to_mm([5.0, 7.0])
    )
    assert smaller[3, 2] == pytest.approx(image[6:8, 4:6].mean(), abs=0.51)
    np.testing.assert_allclose(
        paper_map.shifted(-30, -10).to_mm([2.5, 3.5]),
        paper_map.to_mm([32.5, 13.5]),
    )
    np.testing.assert_allclose(
        paper_map.from_origin((7, 8)).to_px([1, 2]), paper_map.to_px([8, 10])
    )


@pytest.mark.parametrize("quarters", range(-1, 5))
def test_turned_axes_show_the_same_places(quarters):
    paper_map = PaperMap.from_function(_curled, BOUNDS_MM, (1.0, 2.5))
    turned = paper_map.turned(quarters)
    points = _points(20)
    before = np.linalg.matrix_power(np.array([[0, 1], [-1, 0]]), quarters % 4)
    np.testing.assert_allclose(
        turned.to_px(points @ before.T), paper_map.to_px(points), atol=1e-9
    )
    degrees = paper_map.local_scale((40, 40))[2]
    turned_by = turned.local_scale(before @ (40, 40))[2] - degrees
    assert turned_by % 360 == pytest.approx(90 * quarters % 360, abs=12)


def test_uncertainty_is_the_worst_of_a_cell_and_infinite_outside():
    std = np.full((3, 4), 0.1)
    std[1, 2] = 0.5
    std[2, 0] = np.inf
    paper_map = PaperMap.from_homography(np.eye(3), (0, 0, 15, 10), 5.0, std)
    at = paper_map.std_mm_at(
        [[1, 1], [9, 4], [14, 9], [1, 6], [-1, 1], [15, 10]]
    )
    np.testing.assert_array_equal(at, [0.1, 0.5, 0.5, np.inf, np.inf, 0.5])


def test_a_map_survives_json():
    std = np.full((29, 49), 0.25)
    std[0, 0] = np.inf
    paper_map = PaperMap.from_function(_curled, BOUNDS_MM, 2.5, std)
    back = PaperMap.from_dict(json.loads(json.dumps(paper_map.to_dict())))
    points = _points(20)
    np.testing.assert_allclose(
        back.to_px(points), paper_map.to_px(points), atol=1e-3
    )
    np.testing.assert_array_equal(back.std_mm, paper_map.std_mm)


def test_mm_of_a_page_map_count_from_the_page_s_corner():
    page_map = PageMap(
        np.array([[0.5, 0.01, 3], [0.02, 0.6, -8], [1e-5, 0, 1]]),
        np.array([[4.0, 3.0, 1 / 900, 1 / 1500, 0.3]]),
    )
    paper_map = PaperMap.from_page_map(page_map, (0, 0, 280, 216))
    page_px = np.array([[118.1, 708.29], [2086.6, 1534.67]])
    np.testing.assert_allclose(
        paper_map.to_px(page_px / PX_PER_MM),
        page_map.to_picture(page_px),
        atol=0.02,
    )


def test_nodes_that_are_not_finite_are_refused():
    nodes = np.zeros((2, 2, 2))
    nodes[0, 1, 0] = np.nan
    with pytest.raises(InputError, match="finite"):
        PaperMap((0, 0), (5, 5), nodes, 0.0)
    with pytest.raises(InputError, match="nodes_px"):
        PaperMap((0, 0), (5, 5), nodes[:1], 0.0)
    with pytest.raises(InputError, match="step_mm"):
        PaperMap((0, 0), (0, 5), np.zeros((2, 2, 2)), 0.0)

"""The competition's page registered to where its lines were printed."""

import numpy as np

from ecg_keras.page.page_map import PageMap, warp
from ecg_keras.page.paper import PX_PER_MM
from ecg_keras.page.paper_map import PaperMap
from ecg_keras.registration.printed_lines import refined

POINTS_MM = np.stack(
    np.meshgrid(np.arange(15.0, 265.0, 0.7), [90.0, 126.0, 195.0]), axis=-1
)


def _off_mm(paper_map, truth):
    """By how much a map is off along x at `POINTS_MM`."""
    px = paper_map.to_px(POINTS_MM)
    return truth.to_page(px)[..., 0] / PX_PER_MM - POINTS_MM[..., 0]


def test_lines_that_were_rounded_to_whole_px_do_not_bend_the_map(page):
    # A straight page, and a map that follows its lines as if each were at
    # its mm: off by up to half a px.
    mm = np.arange(0, 281, 5.0)
    rounded = np.round(mm * PX_PER_MM) + 0.5

    def to_px(points):
        px = points * PX_PER_MM
        px[..., 0] = np.interp(points[..., 0], mm, rounded)
        return px

    bent = PaperMap.from_function(to_px, (0, 0, 280, 216), (5, 5))
    truth = PageMap.identity()
    assert np.abs(_off_mm(bent, truth)).max() > 0.05
    assert np.abs(_off_mm(refined(page, bent), truth)).max() < 0.02


def test_what_a_feed_did_is_followed_to_a_tenth_of_a_millimetre(page):
    # 3 px within some 4 mm, along x.
    slips = np.array([[0.0, 1200.0, 16.0, 3.0]])
    truth = PageMap(np.eye(3), np.zeros((0, 5)), slips)
    picture = warp(page, truth, 1700, 2200)
    straight = PaperMap.from_homography(
        np.diag([PX_PER_MM, PX_PER_MM, 1.0]), (0, 0, 280, 216)
    )
    before = np.abs(_off_mm(straight, truth))
    off = np.abs(_off_mm(refined(picture, straight), truth))
    assert before.mean() > 0.15
    assert off.mean() < 0.01
    assert off.max() < 0.1


def test_a_page_without_lines_keeps_its_map(page):
    blank = np.full_like(page, 240)
    blank[700:703] = 20
    straight = PaperMap.from_homography(
        np.diag([PX_PER_MM, PX_PER_MM, 1.0]), (0, 0, 280, 216)
    )
    off = _off_mm(refined(blank, straight), PageMap.identity())
    assert np.abs(off).max() < 0.01

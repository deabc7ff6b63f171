"""Training and inference look at a page through the same geometry.

Training data is cut by OpenCV from uint8 pictures, a tracer samples the picture
by keras.ops: what the networks see has to be the same.
"""

import numpy as np
import pytest
from keras import ops

from ecg_keras.data.cell_batches import cell_targets, shrunk
from ecg_keras.data.pictures import PAGE_BOUNDS_MM
from ecg_keras.models.layers import ShrinkPage, sample
from ecg_keras.models.tracer import SampleRows
from ecg_keras.page.layouts import COMPETITION
from ecg_keras.page.page_map import PageMap
from ecg_keras.page.paper_map import PaperMap
from ecg_keras.page.row_images import (
    MARGIN_MM,
    STRIP_HEIGHT,
    STRIP_WIDTH,
    row_image,
    row_part,
)

PAPER_MAP = PaperMap.from_page_map(PageMap.identity(), PAGE_BOUNDS_MM)
ROWS = COMPETITION.printed().rows


@pytest.fixture(scope="module")
def cut_places():
    """Where `row_part` samples: (4, H, W, 3), x and y in px, 1 if inside.

    It cuts a picture that holds in each pixel that pixel's centre, and 1.
    """
    x, y = np.meshgrid(np.arange(2200) + 0.5, np.arange(1700) + 0.5)
    places = np.stack([x, y, np.ones_like(x)], axis=-1).astype(np.float32)
    rows = [
        row_part(
            places,
            PAPER_MAP,
            row.x_start_mm - MARGIN_MM,
            row.zero_y_mm,
            STRIP_WIDTH,
            (0, 0, 0),
        )
        for row in ROWS
    ]
    return np.stack(rows)


def test_the_small_picture_is_the_same_in_training_and_in_a_tracer(page):
    trained = shrunk(page).astype(float)
    traced = ops.convert_to_numpy(ShrinkPage()(page[None].astype(np.float32)))[
        0
    ]
    assert trained.shape == traced.shape == (213, 275, 3)
    # OpenCV rounds to whole numbers.
    np.testing.assert_allclose(trained, traced, atol=0.501)


def test_a_row_image_is_cut_where_a_tracer_samples_it(page, cut_places):
    """To the tracer's own error on a clean page, which is 0.1 px."""
    cells = np.zeros((1, 27, 35, 4), np.float32)
    target = cell_targets(PageMap.identity(), readable=True)
    cells[0, ..., :2] = np.nan_to_num(target[..., :2])
    inputs = [ops.convert_to_tensor(a) for a in (_floats(page), cells)]
    x, y = (ops.convert_to_numpy(v) for v in SampleRows().picture_px(inputs))
    shape = (len(ROWS), STRIP_HEIGHT, STRIP_WIDTH)
    traced = np.stack([x.reshape(shape), y.reshape(shape)], axis=-1)
    inside = cut_places[..., 2] > 0.9999
    assert inside.mean() > 0.8
    off_px = np.abs(traced - cut_places[..., :2])[inside]
    assert np.percentile(off_px, 99) < 0.25


def test_a_row_image_has_the_values_that_a_tracer_samples(page, cut_places):
    for row, cut in zip(ROWS, cut_places, strict=True):
        trained = row_image(page, PAPER_MAP, row)
        places = cut[..., :2].reshape(1, -1, 2)
        traced = ops.convert_to_numpy(
            sample(
                ops.convert_to_tensor(_floats(page)),
                ops.convert_to_tensor(places[..., 0]),
                ops.convert_to_tensor(places[..., 1]),
            )
        ).reshape(trained.shape)
        inside = cut[..., 2] > 0.9999
        # OpenCV interpolates in steps of 1/32 px and rounds: 255 / 32 on the
        # sharpest edge.
        off = np.abs(trained - traced)[inside]
        assert off.max() <= 10
        assert off.mean() < 0.5


def _floats(page):
    return page[None].astype(np.float32)

"""Rows of any page: sampled where they are, and what a mm means."""

import threading
import time

import numpy as np
import pytest

from ecg_keras.ecg.leads import PAGE_ROWS
from ecg_keras.models.reading import likely_path as decoding
from ecg_keras.models.reading.likely_path import likely_path
from ecg_keras.models.reading.networks import Networks
from ecg_keras.models.reading.printed_rows import (
    _with_sure_ends,
    not_finer_than,
    read_printed_rows,
    row_image,
    row_logits,
)
from ecg_keras.page.paper import (
    GAIN_MM_PER_MV,
    PX_PER_MM,
    TIME_ZERO_X_PX,
    ZERO_MV_Y_PX,
)
from ecg_keras.page.paper_map import PaperMap
from ecg_keras.page.printed_layout import (
    PrintedLayout,
    Row,
    Segment,
    evenly_printed,
)
from ecg_keras.page.row_images import (
    MARGIN_SAMPLES,
    N_BINS,
    STRIP_HEIGHT,
    bins_mv,
    pixels_mv,
)


def competition_layout():
    return evenly_printed(
        "3x4+1",
        (*PAGE_ROWS, ("II",)),
        [y / PX_PER_MM for y in ZERO_MV_Y_PX],
        TIME_ZERO_X_PX / PX_PER_MM,
        62.5,
    )


def test_beyond_the_picture_a_row_shows_the_colour_of_the_paper():
    image = np.full((40, 60, 3), (250, 240, 230), np.uint8)
    paper_map = PaperMap.from_homography(np.eye(3), (0, 0, 60, 40), 5)
    row = Row(5.0, 10.0, (Segment("II", 5, 95, 0.0),))
    found = row_image(image, paper_map, row)
    assert (found == (250, 240, 230)).all()


def test_columns_follow_in_time_and_a_strip_shows_all():
    layout = competition_layout()
    assert layout.n_samples == 5000
    assert [s.time_start_s for s in layout.rows[0].segments] == [0, 2.5, 5, 7.5]
    assert layout.rows[3].segments[0].width_mm == pytest.approx(250)


def test_columns_of_the_same_seconds_all_begin_at_zero():
    layout = evenly_printed(
        "6x2", (("I", "V1"),), (20,), 5, 125, simultaneous=True
    )
    assert [s.time_start_s for s in layout.rows[0].segments] == [0, 0]
    assert layout.n_samples == 2500


def test_the_same_print_at_twice_the_speed_lasts_half_as_long():
    faster = competition_layout().with_speed(50.0)
    assert faster.n_samples == 2500
    assert faster.rows[0].segments[2].time_start_s == 2.5


class FollowsARamp:
    """Stands for the row network: sure of a height that rises along x.

    At sample k of the strip the trace is k / 4000 mV high, at 10 mm/mV.
    """

    input_shape = (None, 800, None, 3)

    def predict_on_batch(self, strip):
        n_samples = 2 * strip.shape[2]
        wanted = np.arange(n_samples) / 4000
        off = (bins_mv()[:, None] - wanted) / 0.02
        return (-0.5 * off**2)[None].astype(np.float32)


@pytest.mark.parametrize(
    ("speed", "gain"), [(25.0, 10.0), (50.0, 20.0), (12.5, 5.0)]
)
def test_speed_and_gain_say_what_a_height_means(speed, gain):
    row = Row(30.0, gain, (Segment("V1", 10.0, 60.0, 0.0),))
    layout = PrintedLayout("1x1", speed, (row,))
    image = np.full((60, 80, 3), 255, np.uint8)
    paper_map = PaperMap.from_homography(np.eye(3), (0, 0, 80, 60), 5)
    networks = Networks(FollowsARamp(), likely_path)
    (reading,) = read_printed_rows(image, paper_map, layout, networks)
    times_s = np.arange(len(reading.signal_mv)) / 500
    height_mm = 10 * (MARGIN_SAMPLES + times_s * speed / 0.05) / 4000
    assert len(reading.signal_mv) == round(50 / speed * 500)
    np.testing.assert_allclose(reading.signal_mv, height_mm / gain, atol=0.02)
    assert (reading.std_mv > 0).all()


def test_a_network_that_asks_is_told_where_the_other_rows_are():
    rows = tuple(
        Row(y, 10.0, (Segment("V1", 10.0, 60.0, 0.0),)) for y in (20, 34, 50)
    )
    image = np.full((60, 80, 3), 200, np.uint8)
    paper_map = PaperMap.from_homography(np.eye(3), (0, 0, 80, 60), 5)
    seen = []

    class Asks(FollowsARamp):
        input_shape = (None, 800, None, 4)

        def predict_on_batch(self, strip):
            seen.append(strip[0])
            return super().predict_on_batch(strip)

    row_logits(image, paper_map, rows, Asks())
    _, strip, _ = seen
    assert (strip[..., :3] == 200).all()
    assert (strip[..., 3] == strip[:, :1, 3]).all()
    (at_line,) = np.nonzero(strip[:, 0, 3] > 235)
    height_mm = pixels_mv(at_line) * GAIN_MM_PER_MV
    # The upper row is 14 mm above this one, the lower one 16 mm below.
    above, below = height_mm[height_mm > 0], height_mm[height_mm < 0]
    np.testing.assert_allclose(above, 14, atol=0.2)
    np.testing.assert_allclose(below, -16, atol=0.2)
    assert len(above) and len(below)
    # A row alone has no others.
    row_logits(image, paper_map, rows[:1], Asks())
    assert not seen[3][..., 3].any()


def test_leads_of_several_lengths_are_read_one_after_the_other():
    """Under each backend: what was compiled for one length is no other's."""
    wanted_mm = 1.5
    off = (bins_mv()[:, None] * GAIN_MM_PER_MV - wanted_mm) / 0.2
    for n_samples in (600, 1250, 5000, 1300):
        logits = np.repeat(-0.5 * off**2, n_samples, axis=1)
        height_mm, _ = likely_path(logits)
        assert height_mm.shape == (n_samples,)
        np.testing.assert_allclose(height_mm, wanted_mm, atol=0.02)


def test_a_finer_picture_is_made_smaller_and_its_map_with_it():
    image = np.zeros((400, 600, 3), np.uint8)
    paper_map = PaperMap.from_homography(
        np.diag([24.0, 24.0, 1.0]), (0, 0, 25, 16)
    )
    small, small_map = not_finer_than(image, paper_map, 12.0)
    assert small.shape == (200, 300, 3)
    np.testing.assert_allclose(small_map.to_px([10.0, 5.0]), [120, 60])
    assert not_finer_than(image, paper_map, 30.0)[0] is image


def test_all_leads_are_filled_up_to_few_shapes(monkeypatch):
    shapes = set()

    class Decoder:
        def __init__(self, n_samples):
            assert n_samples == 1250

        def predict_on_batch(self, logits):
            shapes.add(logits.shape)
            flat = np.zeros((1, logits.shape[2]), np.float32)
            return flat, flat

    monkeypatch.setattr(decoding, "decoder", Decoder)
    leads = tuple(Segment("II", 5, 5 + width, 0.0) for width in (30, 30.4, 31))
    rows = tuple(Row(20.0, 10.0, (lead,)) for lead in leads)
    paper_map = PaperMap.from_homography(np.eye(3), (0, 0, 40, 40), 5)
    image = np.zeros((40, 40, 3), np.uint8)
    found = read_printed_rows(
        image,
        paper_map,
        PrintedLayout("3x1", 25.0, rows),
        Networks(FollowsARamp(), likely_path),
    )
    assert shapes == {(1, N_BINS, 1250)}
    assert [len(reading.height_mm) for reading in found] == [600, 608, 620]


def test_leads_wait_for_the_decoders_that_are_being_compiled(monkeypatch):
    running, done, beside = [], [], []

    class Decoder:
        def __init__(self, n_samples):
            self.n_samples = n_samples

        def predict_on_batch(self, logits):
            beside.extend(running)
            running.append(self.n_samples)
            time.sleep(0.02)
            done.append((self.n_samples, threading.current_thread()))
            running.remove(self.n_samples)
            flat = np.zeros((1, self.n_samples), np.float32)
            return flat, flat

    monkeypatch.setattr(decoding, "decoder", Decoder)
    thread = decoding.start_compiling.__wrapped__()
    while not running and thread.is_alive():
        time.sleep(0.001)
    height_mm, _ = likely_path(np.zeros((N_BINS, 1300)))
    thread.join()
    assert height_mm.shape == (1300,)
    here = threading.current_thread()
    assert sorted(done, key=lambda one: one[0]) == [
        (1250, thread), (2500, here), (5000, thread),
    ]  # fmt: skip
    assert not beside


def test_a_row_is_as_wide_as_what_it_shows():
    image = np.zeros((40, 400, 3), np.uint8)
    paper_map = PaperMap.from_homography(np.eye(3), (0, 0, 400, 40), 5)
    row = Row(20.0, 10.0, (Segment("II", 5, 355, 0.0),))
    found = row_image(image, paper_map, row)
    assert found.shape == (STRIP_HEIGHT, 3840, 3)  # 356 mm, filled up


def test_unsure_ends_of_a_lead_go_on_as_farther_in():
    height = np.arange(100.0)
    std = np.full(100, 0.1)
    std[:3] = std[5] = std[-2:] = 1.0
    found = _with_sure_ends(height, std)
    assert (found[:3] == 3).all() and (found[-2:] == 97).all()
    np.testing.assert_array_equal(found[3:-2], height[3:-2])
    # Farther in than 0.4 mm it is the trace.
    std[:20] = 1.0
    assert _with_sure_ends(height, std)[0] == 8

"""The tracer in the package, on pages that were drawn here."""

import numpy as np
import pytest

from ecg_keras import load
from ecg_keras.drawing.clean_page import Style, render_page
from ecg_keras.drawing.image_types import degrade
from ecg_keras.ecg.leads import (
    LEADS,
    printed_mask,
)
from ecg_keras.ecg.metrics import record_ratio
from ecg_keras.ecg.resampling import from_grid
from ecg_keras.ecg.synthesis import simulate
from ecg_keras.errors import InputError
from ecg_keras.models.reading.decoding import (
    max_plus_scan,
)
from ecg_keras.page.layouts import OTHERS
from ecg_keras.page.row_images import (
    N_BINS,
)
from tests.arrays import compiled, to_numpy, to_tensor

RATE_HZ = 500
pytestmark = pytest.mark.filterwarnings(
    # TensorFlow's own use of NumPy.
    "ignore::DeprecationWarning",
)


@pytest.fixture(scope="module")
def tracer():
    return load("tracer")


def test_scores_are_those_of_the_best_of_all_paths():
    """Against dynamic programming, step by step; lengths around 2^n."""
    rng = np.random.default_rng(0)
    for n_samples in (2, 3, 8, 9, 10, 33):
        score = rng.normal(size=(2, n_samples, 3))
        step = rng.normal(size=(2, n_samples - 1, 3, 3))
        expected = [score[:, 0]]
        for i in range(1, n_samples):
            best = (expected[-1][:, :, None] + step[:, i - 1]).max(axis=1)
            expected.append(best + score[:, i])
        found = compiled(max_plus_scan)(to_tensor(score), to_tensor(step))
        np.testing.assert_allclose(
            to_numpy(found), np.stack(expected, axis=1), atol=1e-4
        )


def test_the_packaged_tracer_digitises_a_page(tracer, page, table_mv):
    reading = tracer.read([page])
    assert reading.signals_mv.shape == (1, 12, 5000)
    assert reading.layout_found[0] > 0.5
    found_mv = from_grid(reading.signals_mv[0], RATE_HZ)
    ratio = record_ratio(table_mv, found_mv, RATE_HZ)
    assert 10 * np.log10(ratio) > 20


@pytest.mark.parametrize(
    "lead, height_mv, sample", [("V6", 8, 4400), ("V2", 7, 3000)]
)
def test_a_high_beat_is_followed_across_the_rows_above(
    tracer, lead, height_mv, sample
):
    high_mv = simulate(np.random.default_rng(14))
    time = np.arange(high_mv.shape[1])
    beat = np.exp(-(((time - sample) / 20) ** 2))
    high_mv[LEADS.index(lead)] += height_mv * beat
    table = from_grid(high_mv, RATE_HZ)
    reading = tracer.read([render_page(table, RATE_HZ)])
    ratio = record_ratio(
        table, from_grid(reading.signals_mv[0], RATE_HZ), RATE_HZ
    )
    assert 10 * np.log10(ratio) > 15


def test_its_deviation_is_larger_where_it_errs(tracer, page, signals_mv):
    picture, _ = degrade(page, "0011", np.random.default_rng(4))
    reading = tracer.read([picture])
    printed = printed_mask() > 0
    error = np.abs(reading.signals_mv[0] - signals_mv)[printed]
    std = reading.std_mv[0][printed]
    unsure = std > np.quantile(std, 0.9)
    assert np.mean(error[unsure]) > 2 * np.mean(error[~unsure])


@pytest.mark.parametrize("layout", OTHERS[1::2], ids=lambda x: x.name)
def test_other_layouts_are_refused(tracer, signals_mv, layout):
    table = from_grid(signals_mv, RATE_HZ, stretch=layout.stretch)
    page = render_page(table, RATE_HZ, style=Style(layout=layout))
    with pytest.raises(InputError, match="3x4 leads"):
        tracer.predict([page])


def test_a_picture_of_nothing_is_refused(tracer):
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    with pytest.raises(InputError, match="an image does not look like"):
        tracer.predict([noise])


def test_bins_of_the_network_are_those_of_the_strip(tracer):
    network = tracer.model.get_layer("row_network")
    assert network.output_shape[1] == N_BINS

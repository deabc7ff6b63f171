"""The photo tracer in the package, on photos that were drawn here."""

import numpy as np
import pytest

from ecg_keras import load
from ecg_keras.drawing.clean_page import render_page
from ecg_keras.drawing.image_types import degrade
from ecg_keras.ecg.metrics import record_ratio
from ecg_keras.ecg.resampling import from_grid
from ecg_keras.ecg.synthesis import simulate

RATE_HZ = 500
SLOW = pytest.mark.slow, pytest.mark.floor

pytestmark = pytest.mark.filterwarnings(
    # TensorFlow's own use of NumPy.
    "ignore::DeprecationWarning",
)


@pytest.fixture(scope="module")
def tracer():
    return load("photo_tracer")


@pytest.mark.parametrize("kind", ["0005", pytest.param("0006", marks=SLOW)])
def test_it_digitises_a_photo(tracer, kind):
    table_mv = from_grid(simulate(np.random.default_rng(11)), RATE_HZ)
    page = render_page(table_mv, RATE_HZ)
    photo, _ = degrade(page, kind, np.random.default_rng(3))
    reading = tracer.read([photo])
    assert not reading.refused[0]
    found_mv = from_grid(reading.signals_mv[0], RATE_HZ)
    assert 10 * np.log10(record_ratio(table_mv, found_mv, RATE_HZ)) > 15


def test_it_refuses_a_picture_of_nothing(tracer):
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    assert tracer.read([noise]).refused[0]

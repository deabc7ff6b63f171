import numpy as np
import pytest

from ecg_keras.page import paper


def test_scales_are_those_of_a_200_dpi_page():
    assert paper.PX_PER_MM == pytest.approx(7.8740, abs=1e-4)
    assert paper.PX_PER_S == pytest.approx(196.850, abs=1e-3)
    assert paper.PX_PER_MV == pytest.approx(78.740, abs=1e-3)


def test_ten_seconds_end_where_they_were_measured():
    assert paper.x_px(10) == pytest.approx(2086.6, abs=0.05)


def test_pixels_and_units_are_inverse():
    times = np.linspace(0, 10, 7)
    np.testing.assert_allclose(paper.time_s(paper.x_px(times)), times)
    voltages = np.linspace(-3, 3, 7)
    for row in range(paper.N_ROWS):
        y_px = paper.y_px(voltages, row)
        np.testing.assert_allclose(paper.voltage_mv(y_px, row), voltages)


def test_up_on_the_page_is_positive():
    assert paper.y_px(1.0, 0) < paper.y_px(0.0, 0)

"""Rows that are read from one print are told apart."""

import numpy as np
import pytest

from ecg_keras.models.reading.crossing_rows import Path, shared, told_apart
from ecg_keras.models.reading.likely_path import likely_path
from ecg_keras.page.row_images import N_BINS, SAMPLE_MM, bins_mv

X_MM = SAMPLE_MM * np.arange(600)
PITCH_MM = 18.0


def wave(depth_mm):
    """A wave down to so many mm below its line, in the middle."""
    return -depth_mm * np.exp(-0.5 * ((X_MM - 15.0) / 0.6) ** 2)


def logits_of(likely):
    """Of heights in mm, each with how likely it is, in nats."""
    logits = np.full((N_BINS, len(X_MM)), -12.0, np.float32)
    bins_mm = 10 * bins_mv()[:, None]
    for height_mm, nats in likely:
        near = -0.5 * ((bins_mm - height_mm) / 0.4) ** 2
        logits = np.maximum(logits, np.maximum(near, -12.0) + nats)
    return logits


def path_of(zero_y_mm, likely):
    logits = logits_of(likely)
    return Path(logits, zero_y_mm, 100.0, *likely_path(logits))


@pytest.fixture(scope="module")
def upper():
    return path_of(50.0, [(wave(20.0), 0.0)])


def test_a_row_that_jumps_to_its_neighbours_wave_gets_its_own(upper):
    own, neighbours = wave(28.0), PITCH_MM + wave(20.0)
    in_wave = np.abs(X_MM - 15.0) < 1.0
    # In the neighbour's tip that is likelier.
    lower = path_of(
        50.0 + PITCH_MM,
        [(own, 0.0), (neighbours, np.where(in_wave, 0.5, -9.0))],
    )
    assert np.abs(lower.height_mm - own).max() > 15
    ((start_mm, end_mm),) = shared(upper, lower)
    assert 113 < start_mm < 115 < end_mm < 117
    first, second = told_apart(upper, lower, likely_path)
    np.testing.assert_allclose(first.height_mm, upper.height_mm)
    assert np.abs(second.height_mm - own).max() < 2.5
    assert not shared(first, second)
    # Whichever of them is named first.
    second, first = told_apart(lower, upper, likely_path)
    np.testing.assert_allclose(first.height_mm, upper.height_mm)
    assert np.abs(second.height_mm - own).max() < 2.5


def test_traces_that_touch_stay_where_they_are(upper):
    """Nothing else is printed: both go there."""
    lower = path_of(50.0 + PITCH_MM, [(wave(1.0), 0.0)])
    touching = path_of(50.0 + PITCH_MM, [(PITCH_MM + wave(20.0), 0.0)])
    assert not shared(upper, lower)
    assert told_apart(upper, lower, likely_path) == (upper, lower)
    assert shared(upper, touching)
    for found, before in zip(
        told_apart(upper, touching, likely_path),
        (upper, touching),
        strict=True,
    ):
        np.testing.assert_array_equal(found.height_mm, before.height_mm)


def test_leads_beside_each_other_share_nothing(upper):
    later = Path(upper.logits, 68.0, 200.0, upper.height_mm, upper.std_mm)
    assert shared(upper, later) == []

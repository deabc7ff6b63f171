"""Distributions of voltage to voltages: against exact answers."""

import functools

import numpy as np
import pytest
from keras import ops

from ecg_keras.ecg.leads import (
    N_SAMPLES,
)
from ecg_keras.models.reading.decoding import (
    MIN_STD_MV,
    SMOOTHNESS,
    TARGET_STD_BINS,
    read_rows,
    soft_argmax,
)
from ecg_keras.page.row_images import (
    MARGIN_SAMPLES,
    N_BINS,
    SAMPLES_IN_STRIP,
    bins_mv,
)
from tests.arrays import compiled, gaussian_logits, to_numpy, to_tensor

pytestmark = pytest.mark.filterwarnings(
    # TensorFlow's own use of NumPy.
    "ignore::DeprecationWarning",
)


def _means_and_deviations(logits, **settings):
    return compiled(functools.partial(soft_argmax, **settings))(logits)


def _bimodal_logits(level_mv, other_mv, other_share):
    """Two Gaussians in each column; the second with a share of the mass."""
    own, other = (gaussian_logits(x[None], 0.03) for x in (level_mv, other_mv))
    weight = np.log(np.clip(other_share, 1e-6, 1 - 1e-6))
    rest = np.log1p(-np.clip(other_share, 1e-6, 1 - 1e-6))
    return to_tensor(np.logaddexp(own + rest, other + weight))


def test_reading_out_a_gaussian_gives_its_mean_and_deviation():
    level = np.linspace(-2.0, 2.0, 41)[None]
    mean, _ = _means_and_deviations(to_tensor(gaussian_logits(level, 0.03)))
    # Bins of different widths weigh a Gaussian over voltage by 0.2 uV.
    np.testing.assert_allclose(to_numpy(mean), level, atol=2e-4)
    _, std = _means_and_deviations(to_tensor(gaussian_logits(level, 0.06)))
    taught = np.interp(
        -level, -bins_mv(), -TARGET_STD_BINS * np.gradient(bins_mv())
    )
    expected = np.sqrt(0.06**2 - taught**2)
    np.testing.assert_allclose(to_numpy(std), expected, rtol=0.05)


def test_a_distribution_as_it_was_taught_is_sure():
    width = -TARGET_STD_BINS * np.gradient(bins_mv())[N_BINS // 2]
    _, std = _means_and_deviations(
        to_tensor(gaussian_logits(np.zeros((1, 1)), width))
    )
    np.testing.assert_allclose(to_numpy(std), MIN_STD_MV, atol=2e-3)


def test_what_the_path_cannot_settle_counts_in_the_deviation():
    """Another trace 2 mV away: in one column, and in many that agree."""
    level = np.zeros(50)
    both = _bimodal_logits(level, level + 2.0, np.full(50, 0.25))
    one, std = _means_and_deviations(both[..., :1], smoothness=SMOOTHNESS)
    np.testing.assert_allclose(to_numpy(one), 0.0, atol=1e-3)
    # Bins are wider there: fewer of them, with less of the mass.
    share = to_numpy(ops.softmax(both[..., :1], axis=1))[0, :, 0]
    likelihood = share[bins_mv() > 1.0].sum()
    np.testing.assert_allclose(to_numpy(std), 2 * likelihood**0.5, rtol=0.01)
    many, std = _means_and_deviations(both, smoothness=SMOOTHNESS)
    np.testing.assert_allclose(to_numpy(many), 0.0, atol=1e-3)
    assert to_numpy(std).max() < 0.1
    whole, _ = _means_and_deviations(both, window_bins=None)
    np.testing.assert_allclose(to_numpy(whole), 2 * likelihood, atol=0.01)


def test_the_likely_path_does_not_jump_to_another_trace_and_back():
    """Nadirs of deep S waves, one below the other, as in V2 and V3."""
    time = np.arange(400)
    level = -2.0 * np.exp(-(((time - 200) / 8) ** 2))
    other = level + 3.6
    share = np.full(400, 0.01)
    share[195:206] = 0.6  # There the other one is the likelier.
    logits = _bimodal_logits(level, other, share)
    jumping, _ = _means_and_deviations(logits)
    assert np.abs(to_numpy(jumping)[0] - level)[195:206].min() > 3
    path, std = _means_and_deviations(logits, smoothness=SMOOTHNESS)
    np.testing.assert_allclose(to_numpy(path)[0], level, atol=0.02)
    assert to_numpy(std).max() < 0.1  # The columns around leave no doubt.


def test_the_likely_path_follows_steep_waves_and_steps():
    time = np.arange(400)
    level = 3.0 * np.exp(-(((time - 100) / 3) ** 2))
    level[250:] -= 1.5  # another lead begins
    logits = to_tensor(gaussian_logits(level[None], 0.03))
    path, _ = _means_and_deviations(logits, smoothness=SMOOTHNESS)
    np.testing.assert_allclose(to_numpy(path)[0], level, atol=0.01)


@pytest.mark.slow
@pytest.mark.floor
def test_rows_are_read_quarter_by_quarter():
    """Steps at the beginning of a row and between leads cost nothing."""
    rows = np.full((4, SAMPLES_IN_STRIP), 1.0)  # the pulse, and beyond
    inside = rows[:, MARGIN_SAMPLES:][:, :N_SAMPLES]
    inside[:] = np.repeat([0.0, -1.0, 0.5, 2.0], 1250)
    logits = gaussian_logits(rows, 0.03)
    # In the first column of each lead, what was before is the likelier.
    before = gaussian_logits(np.roll(rows, 1, axis=1), 0.03) + 1.0
    first = MARGIN_SAMPLES + 1250 * np.arange(4)
    logits[..., first] = np.logaddexp(logits, before)[..., first]
    mean, std = compiled(read_rows)(to_tensor(logits))
    assert to_numpy(mean).shape == to_numpy(std).shape == (1, 4, N_SAMPLES)
    np.testing.assert_allclose(to_numpy(mean)[0], inside, atol=1e-3)

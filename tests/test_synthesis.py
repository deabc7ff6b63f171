"""The simulator: exact relations between leads, plausible beats."""

import numpy as np
import pytest
import scipy.signal

from ecg_keras.ecg import synthesis
from ecg_keras.ecg.leads import LEADS, RATE_HZ, limb_leads
from ecg_keras.ecg.synthesis import simulate

N_PERSONS = 24


@pytest.fixture(scope="module")
def signals():
    return np.stack(
        [simulate(np.random.default_rng(seed)) for seed in range(N_PERSONS)]
    )


def test_einthovens_and_goldbergers_relations_hold(signals):
    assert signals.shape == (N_PERSONS, 12, 5000)
    expected = limb_leads(signals[:, 0], signals[:, 1])
    assert np.abs(signals[:, :6] - expected).max() < 1e-5


def test_a_seed_gives_a_person():
    one, same, other = (simulate(np.random.default_rng(s)) for s in (5, 5, 6))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0.1


def test_amplitudes_are_those_of_adults(signals):
    height_mv = np.ptp(signals, axis=2)
    # PTB-XL: 5 % of leads are below 0.57 mV, 5 % above 3.3 mV.
    assert 0.3 < np.percentile(height_mv, 5) < 0.9
    assert 2.0 < np.percentile(height_mv, 95) < 4.5
    assert height_mv.max() < 8


def test_heart_rates_vary_as_stated(signals):
    per_minute = []
    for person in signals:
        steep = np.abs(np.diff(person, axis=1)).sum(axis=0)
        peaks, _ = scipy.signal.find_peaks(
            steep, height=0.4 * steep.max(), distance=0.3 * RATE_HZ
        )
        per_minute.append(60 * RATE_HZ / np.median(np.diff(peaks)))
    assert 40 < min(per_minute) < 65
    assert 100 < max(per_minute) < 140


def test_the_usual_beat_looks_like_a_normal_ecg(monkeypatch):
    """Upright in I, II and V5; deep S in V1; aVR is turned over."""
    beats = []
    for seed in range(40):
        person = simulate(np.random.default_rng(seed))
        beats.append(person.max(axis=1) + person.min(axis=1))
    side = dict(zip(LEADS, np.median(beats, axis=0), strict=True))
    assert side["I"] > 0.1 and side["II"] > 0.2 and side["V5"] > 0.3
    assert side["aVR"] < -0.2 and side["V1"] < -0.1


def test_ectopic_beats_come_early_and_are_wide():
    rng = np.random.default_rng(0)
    normal = synthesis._persons_beat(rng)
    ectopic = synthesis._ectopic_beat(rng, normal)
    qrs = ~(normal.is_t | normal.is_p)
    wide = ectopic.widths_s[: qrs.sum()].mean()
    assert wide > 1.9 * normal.widths_s[qrs].min()
    for seed in range(200):
        beats = synthesis._rhythm(np.random.default_rng(seed), False)
        for (before_s, interval_s, _), (peak_s, _, is_ectopic) in zip(
            beats, beats[1:], strict=False
        ):
            if is_ectopic:
                assert peak_s - before_s < 0.81 * interval_s

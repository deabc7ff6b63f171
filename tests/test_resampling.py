"""Between a record's rate and the 500 Hz grid, against analytic signals."""

import numpy as np
import pytest

from ecg_keras.ecg.leads import LEADS, N_LEADS, N_SAMPLES, RATE_HZ
from ecg_keras.ecg.resampling import from_grid, lead_rows, resample, to_grid
from ecg_keras.errors import InputError

RATES_HZ = (250, 256, 500, 512, 1000, 1025)


def _beats(times_s):
    """Twelve leads of narrow beats on a drift, band-limited, at any times."""
    leads = np.zeros((N_LEADS, len(times_s)))
    for index in range(N_LEADS):
        leads[index] = 0.3 * np.sin(0.7 * times_s + index) + 0.02 * times_s
        for beat_s in np.arange(0.1 + 0.05 * index, 10, 0.8):
            leads[index] += 1.2 * np.exp(-(((times_s - beat_s) / 0.015) ** 2))
    return leads


def _table(rate_hz):
    """What a page of the beats says: each column begins at its own time.

    As the competition's generator draws: samples from int(k x 2.5 s x rate) on
    are printed from k x 2.5 s on.
    """
    table = np.full((N_LEADS, 10 * rate_hz), np.nan)
    for index in range(N_LEADS):
        quarter, length = index // 3, int(2.5 * rate_hz)
        if LEADS[index] == "II":
            quarter, length = 0, 10 * rate_hz
        times_s = quarter * 2.5 + np.arange(length) / rate_hz
        start = int(quarter * 2.5 * rate_hz)
        table[index, start : start + length] = _beats(times_s)[index]
    return table


def _snr_db(true, found):
    shown = np.isfinite(true)
    noise = np.sum((true[shown] - found[shown]) ** 2)
    return 10 * np.log10(np.sum(true[shown] ** 2) / max(noise, 1e-12))


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_a_record_survives_the_grid_and_back(rate_hz):
    table = _table(rate_hz)
    signals, printed = to_grid(table, rate_hz)
    assert signals.shape == printed.shape == (N_LEADS, N_SAMPLES)
    assert _snr_db(table, from_grid(signals, rate_hz)) > 45


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_the_grid_holds_the_values_at_its_own_times(rate_hz):
    signals, printed = to_grid(_table(rate_hz), rate_hz)
    true = _beats(np.arange(N_SAMPLES) / RATE_HZ)
    assert _snr_db(np.where(printed > 0, true, np.nan), signals) > 40


def test_what_is_printed_is_read_from_where_the_nan_end():
    table = _table(1000)
    table[LEADS.index("V1"), 5000:5100] = np.nan
    _, printed = to_grid(table, 1000)
    assert np.flatnonzero(printed[LEADS.index("V1")])[0] == 2550


def test_a_table_like_another_has_its_nan():
    table = _table(1025)
    table[LEADS.index("aVR"), 5124] = 0.5
    found = from_grid(to_grid(table, 1025)[0], 1025, like=table)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(table))


def test_a_constant_stays_constant_up_to_its_ends():
    table = np.where(np.isnan(_table(256)), np.nan, 1.5)
    signals, printed = to_grid(table, 256)
    np.testing.assert_allclose(signals[printed > 0], 1.5, atol=1e-6)
    assert not signals[printed == 0].any()


@pytest.mark.parametrize("n_rows", [2562, 2563])
def test_a_lead_gets_as_many_rows_as_were_asked_for(n_rows):
    signals = _beats(np.arange(N_SAMPLES) / RATE_HZ)
    rows = lead_rows(signals, "V3", 1025, n_rows)
    true = _beats((5125 + np.arange(n_rows)) / 1025)[LEADS.index("V3")]
    np.testing.assert_allclose(rows, true, atol=0.02)


def test_resampling_keeps_a_sine_below_the_nyquist_frequency():
    times_in_s, times_out_s = np.arange(1000) / 250, np.arange(4100) / 1025
    wave = np.sin(2 * np.pi * 40 * times_in_s)
    found = resample(wave, 250, 1025, 4100)
    error = found - np.sin(2 * np.pi * 40 * times_out_s)
    # Away from the ends, where the continuation is a guess.
    assert np.abs(error[400:-400]).max() < 2e-3


def test_arguments_are_not_changed():
    table = _table(500)
    before = table.copy()
    signals, _ = to_grid(table, 500)
    kept = signals.copy()
    from_grid(signals, 250, like=_table(250))
    np.testing.assert_array_equal(table, before)
    np.testing.assert_array_equal(signals, kept)


def test_a_lead_with_a_gap_is_refused_by_name():
    table = _table(500)
    table[LEADS.index("II"), 700] = np.nan
    with pytest.raises(InputError, match="lead II has a gap: row 700"):
        to_grid(table, 500)


def test_a_lead_without_values_is_refused_by_name():
    table = _table(500)
    table[LEADS.index("V6")] = np.nan
    with pytest.raises(InputError, match="V6 has no value"):
        to_grid(table, 500)


def test_a_table_of_another_length_is_refused():
    with pytest.raises(InputError, match=r"\(12, 5000\).*\(12, 4999\)"):
        to_grid(np.zeros((12, 4999)), 500)
    with pytest.raises(ValueError, match=r"\(12, 4000\)"):
        from_grid(np.zeros((12, 4000)), 500)

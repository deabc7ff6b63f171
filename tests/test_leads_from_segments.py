"""Segments of a page put together, and what is known twice."""

import dataclasses

import numpy as np
import pytest

from ecg_keras.ecg.leads import LEADS, limb_leads
from ecg_keras.models.reading.leads_from_segments import join_segments
from ecg_keras.models.reading.printed_rows import LeadReading
from ecg_keras.page.printed_layout import evenly_printed

ROWS = (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"),
        ("III", "aVF", "V3", "V6"), ("II",))  # fmt: skip
LAYOUT = evenly_printed("3x4+1", ROWS, (20, 40, 60, 80), 5.0, 62.5)


def twelve_mv(seed=0):
    rng = np.random.default_rng(seed)
    noise = np.cumsum(rng.normal(0, 0.05, (8, 5000)), axis=1)
    noise -= np.median(noise, axis=1, keepdims=True)
    return np.concatenate([limb_leads(noise[0], noise[1]), noise[2:]])


def readings_of(layout, signals_mv, noise_mv=0.0, std_mv=0.01):
    """What a perfect reader, but for noise, reads of a layout's segments."""
    rng = np.random.default_rng(1)
    readings = []
    for index, row in enumerate(layout.rows):
        for segment in row.segments:
            first = round(segment.time_start_s * 500)
            n_samples = round(segment.width_mm / layout.speed_mm_per_s * 500)
            lead = LEADS.index(segment.lead.lstrip("-"))
            values = signals_mv[lead, first : first + n_samples]
            values = -values if segment.lead.startswith("-") else values
            values = values + rng.normal(0, noise_mv, len(values))
            std = np.full(len(values), std_mv)
            readings.append(LeadReading(segment, index, values, std, values))
    return readings


def test_leads_stand_where_the_page_shows_them():
    truth = twelve_mv()
    signals, std = join_segments(LAYOUT, readings_of(LAYOUT, truth))
    assert signals.shape == std.shape == (12, 5000)
    shown = {
        lead: np.flatnonzero(np.isfinite(values))[[0, -1]].tolist()
        for lead, values in zip(LEADS, signals, strict=True)
    }
    assert shown["II"] == [0, 4999]
    assert shown["aVF"] == [1250, 2499] and shown["V6"] == [3750, 4999]
    known = np.isfinite(signals)
    np.testing.assert_allclose(signals[known], truth[known], atol=1e-4)
    assert np.array_equal(known, np.isfinite(std))


def test_a_lead_turned_over_is_turned_back():
    layout = evenly_printed("1x1", (("-aVR",),), (20,), 0.0, 50.0)
    truth = twelve_mv()
    signals, _ = join_segments(layout, readings_of(layout, truth))
    np.testing.assert_allclose(signals[3], truth[3, :1000], atol=1e-5)


def test_leads_beyond_the_twelve_are_left_out():
    layout = evenly_printed("1x2", (("V4R", "V1"),), (20,), 0.0, 50.0)
    readings = readings_of(
        evenly_printed("1x2", (("V2", "V1"),), (20,), 0.0, 50.0), twelve_mv()
    )
    readings[0] = dataclasses.replace(
        readings[0], segment=layout.rows[0].segments[0]
    )
    signals, _ = join_segments(layout, readings)
    shown = np.isfinite(signals).any(axis=1)
    assert [
        lead for lead, is_in in zip(LEADS, shown, strict=True) if is_in
    ] == ["V1"]


def test_what_is_known_twice_lessens_noise():
    truth = twelve_mv()
    signals, std = join_segments(LAYOUT, readings_of(LAYOUT, truth, 0.02))
    off = signals - truth
    alone = np.nanstd(off[6:])
    assert np.nanstd(off[1, :1250]) < 0.8 * alone
    assert np.nanstd(off[4]) < 0.9 * alone
    assert np.nanmean(std[1, :1250]) < np.nanmean(std[6])


def test_a_misread_lead_spoils_no_other():
    truth = twelve_mv()
    readings = readings_of(LAYOUT, truth)
    wrong = np.random.default_rng(2).normal(0, 0.5, 1250)
    readings[0] = dataclasses.replace(readings[0], signal_mv=wrong)
    signals, _ = join_segments(LAYOUT, readings)
    np.testing.assert_allclose(signals[1], truth[1], atol=1e-4)
    np.testing.assert_allclose(signals[2, :1250], truth[2, :1250], atol=1e-4)


def test_prints_of_one_lead_may_have_other_zero_lines():
    truth = twelve_mv()
    readings = readings_of(LAYOUT, truth)
    moved = readings[4].signal_mv + 0.2  # II of the first column
    assert readings[4].segment.lead == "II"
    readings[4] = dataclasses.replace(readings[4], signal_mv=moved)
    signals, _ = join_segments(LAYOUT, readings)
    off = signals[1] - truth[1]
    assert np.nanmax(off) - np.nanmin(off) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("misread", [4, 12])
def test_of_four_prints_a_misread_one_follows_from_the_others(misread):
    """II of the first column, and the strip, below I, aVR and V1."""
    truth = twelve_mv()
    readings = readings_of(LAYOUT, truth, 0.005)
    assert readings[misread].segment.lead == "II"
    wrong = readings[misread].signal_mv.copy()
    wrong[:1250] += np.sin(np.arange(1250) / 40)
    readings[misread] = dataclasses.replace(readings[misread], signal_mv=wrong)
    signals, _ = join_segments(LAYOUT, readings)
    for lead in (0, 1, 2):
        off = signals[lead, :1250] - truth[lead, :1250]
        assert np.std(off) < 0.01


def test_where_prints_do_not_tell_which_is_misread_they_are_left():
    truth = twelve_mv()
    readings = readings_of(LAYOUT, truth)
    wrong = readings[0].signal_mv + np.sin(np.arange(1250) / 40)
    readings[0] = dataclasses.replace(readings[0], signal_mv=wrong)
    signals, _ = join_segments(LAYOUT, readings)
    np.testing.assert_allclose(signals[0, :1250], wrong, atol=1e-5)
    np.testing.assert_allclose(signals[2, :1250], truth[2, :1250], atol=1e-4)

"""Beats tell where a row goes on with another lead."""

import types

import numpy as np
import pytest

from ecg_keras.models.layout.beats import (
    RowBeats,
    f_statistic,
    find_beats,
    rows_with_beats,
    same_seconds,
    unlikeness,
)
from ecg_keras.models.layout.row_heights import PER_MM
from ecg_keras.models.layout.strip_leads import likely_strips, strip_evidence

BEATS_MM = 12.0 + 20.0 * np.arange(12)  # 75 a minute at 25 mm/s, 250 mm


def row(amplitudes_mm, noise_mm=0.05, seed=0):
    """A row whose beats are so high, one after the other."""
    x = np.arange(0, 250, 1 / PER_MM)
    height = np.random.default_rng(seed).normal(0, noise_mm, len(x))
    for place, high in zip(BEATS_MM, amplitudes_mm, strict=True):
        height += high * np.exp(-0.5 * ((x - place) / 0.6) ** 2)
        height += 0.3 * high * np.exp(-0.5 * ((x - place - 5) / 1.5) ** 2)
    return types.SimpleNamespace(
        at=lambda at_mm: np.interp(at_mm, x, height),
        x_start_mm=0.0,
        x_end_mm=250.0,
    )


def kind(*rows):
    return types.SimpleNamespace(rows=rows)


FOUR = tuple(np.repeat([8.0, -6.0, 3.0, 12.0], 3))


def test_beats_are_found_in_all_rows_together():
    x = np.arange(0, 250, 1 / PER_MM)
    heights = np.stack([row(FOUR).at(x), row([4.0] * 12, seed=1).at(x)])
    beats = find_beats(heights, PER_MM)
    np.testing.assert_allclose(beats / PER_MM, BEATS_MM, atol=1.5)


def test_what_shows_no_beats_is_no_row_of_traces():
    flat, letters = row([0.0] * 12, seed=2), row([0.0] * 12, seed=3)
    wide = np.arange(0, 250, 1 / PER_MM)
    height = 2.0 * (np.sin(wide) > 0) * (wide > 20) * (wide < 120)
    letters.at = lambda at_mm: np.interp(at_mm, wide, height)
    traces = [row(FOUR), row(FOUR[::-1], seed=1), row([0.5] * 12, seed=4)]
    assert rows_with_beats([letters, *traces, flat]) == [1, 2, 3]
    assert rows_with_beats(traces) == [0, 1, 2]
    # A pulse stands at traces alone.
    assert rows_with_beats([*traces, flat], sure={3}) == [0, 1, 2, 3]
    # Fewer rows are no page.
    assert rows_with_beats([*traces[:2], flat]) == [0, 1, 2]


def test_a_row_whose_columns_end_with_gaps_shows_beats_in_one_of_them():
    """A strip below such columns shows what they do at other x, but first."""
    later = [row(FOUR), row([6.0] * 12, seed=5), row([-4.0] * 12, seed=6)]
    strip = row([5.0] * 12, seed=7)
    at = strip.at
    strip.at = lambda x_mm: at(x_mm - 3.0 * np.floor(x_mm / 62.5))
    assert rows_with_beats([*later, strip]) == [0, 1, 2, 3]


def test_a_row_of_four_leads_is_told_from_one_of_a_single_lead():
    beats = RowBeats.of([row(FOUR), row([8.0] * 12, seed=1)], 0.0, 250.0)
    one, four = kind(("II",)), kind(("I", "aVR", "V1", "V4"))
    where = 0.0, 62.5, 250.0
    assert beats.told(four, 0, *where) > 3 > -3 > beats.told(one, 0, *where)
    assert beats.told(one, 1, *where) > 3 > -3 > beats.told(four, 1, *where)


def test_few_beats_tell_by_how_unlike_they_are():
    """Five beats, as on 250 mm at 50 mm/s."""
    few = np.full(12, 0.0)
    few[[0, 3, 6, 8, 11]] = 8.0
    beats = RowBeats.of([row(few)], 0.0, 250.0)
    assert len(beats.x_mm) == 5
    told = beats.told(kind(("I", "aVR", "V1", "V4")), 0, 0.0, 62.5, 250.0)
    assert told < -3


def test_without_beats_nothing_is_told():
    beats = RowBeats.of([row([0.0] * 12, noise_mm=0.0)], 0.0, 250.0)
    assert beats.told(kind(("II",)), 0, 0.0, 62.5, 250.0) == 0


def test_f_counts_what_beats_differ_by_between_columns():
    rng = np.random.default_rng(0)
    shapes = rng.normal(0, 1, (12, 44))
    columns = np.repeat(np.arange(4), 3)
    f, certainty = f_statistic(shapes, columns)
    assert f == pytest.approx(1, abs=0.4) and certainty == 1
    other, _ = f_statistic(shapes + 3.0 * columns[:, None], columns)
    assert other > 10 * f
    assert f_statistic(shapes[:4], np.arange(4)) is None
    assert unlikeness(shapes) == pytest.approx(0.85, abs=0.1)


def test_strips_show_different_leads():
    told = {"II": [(2.0, 1.0)], "V1": [(1.5, 1.0)]}
    strip = {lead: told.get(lead, [(-1.0, 1.0)]) for lead in STRIPS}
    leads, _, margin = likely_strips([strip, strip], [{}, {}])
    assert sorted(leads) == ["II", "V1"]
    assert margin > 1


def test_its_own_print_tells_most_of_a_strips_lead():
    alike = {"II": [(5.0, 3.0), (-0.5, 1.0)], "V5": [(2.6, 3.0)]}
    strip = {lead: alike.get(lead, [(-1.0, 1.0)]) for lead in STRIPS}
    leads, _, _ = likely_strips([strip], [{}])
    assert leads == ("II",)


def test_a_flat_leads_own_print_tells_more_than_a_lead_that_is_nearly_alike():
    """A strip like II to 0.02 mm, where II is 0.24 mm, is not aVF."""
    rng = np.random.default_rng(2)
    n = 250

    def waves(rms_mm):
        smooth = np.convolve(rng.normal(size=n + 8), np.ones(9), "valid")
        return rms_mm * smooth / smooth.std()

    told = {lead: [] for lead in STRIPS}
    for leads, own, (strip_mm, off_mm) in (
        (("I", "II", "III"), 1, (0.24, 0.02)),
        (("aVR", "aVL", "aVF"), 2, (1.3, 0.1)),
    ):
        strip = waves(strip_mm)
        column = np.stack([waves(1.3) for _ in leads])
        column[own] = strip + waves(off_mm)
        both = strip_evidence(
            np.stack([strip, strip]), leads, np.stack([column, column])
        )
        for lead, more in both.items():
            told[lead].append(more)
    assert likely_strips([told], [{}])[0] == ("II",)


STRIPS = ("II", "V1", "V5", "III", "V6", "I", "aVF", "V2", "V3", "V4", "aVR",
          "aVL")  # fmt: skip


def test_beats_that_repeat_or_go_on_tell_which_seconds_columns_show():
    first = np.array([10.0, 31.0, 50.0, 73.0, 92.0])
    later = first[-1] + np.array([20.0, 42.0, 62.0, 84.0])
    # Chest leads are steepest half a mm later.
    assert same_seconds(first, later + 0.5, 97.0) is False
    assert same_seconds(first, first + 97.5, 97.0) is True
    # Even beats, of which a column shows a whole number.
    even = 10.0 + 20.0 * np.arange(5)
    assert same_seconds(even, even + 100.0, 100.0) is None
    # So far on is no whole number of them: clocks would strike between.
    assert same_seconds(even, even + 90.0, 90.0) is True
    assert same_seconds(even, even + 100.0, 90.0) is False
    # A strip goes on below the first column's and other seconds.
    strip = np.concatenate([first, later])
    assert same_seconds(first, later, 97.0, strip) is False
    assert same_seconds(first, first + 97, 97.0, strip) is True
    assert same_seconds(even, even + 100, 100.0, even) is None
    whole = np.concatenate([even, even + 100])
    assert same_seconds(even, even + 100, 100.0, whole) is None
    # Four beats that repeat may do so by chance, and two may stand anywhere.
    assert same_seconds(first[:4], first[:4] + 97.5, 97.0) is None
    assert same_seconds(first[:2], later[:2], 97.0) is None

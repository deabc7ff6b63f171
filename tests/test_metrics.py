"""The competition's score against a slow, plain one and cases by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from ecg_keras.ecg.leads import LEADS
from ecg_keras.ecg.metrics import (
    align,
    lead_powers,
    record_ratio,
    score_db,
    score_tables,
)
from ecg_keras.errors import InputError


def _align_slowly(label, prediction, rate_hz):
    """The published definition, one shift after the other."""
    n, limit = len(label), int(0.2 * rate_hz)
    centred, moved = label - label.mean(), prediction - prediction.mean()
    best = (-math.inf, 0, 0)
    for shift in range(-limit, limit + 1):
        pairs = [(i, i - shift) for i in range(n) if 0 <= i - shift < n]
        value = sum(centred[i] * moved[j] for i, j in pairs)
        best = max(best, (round(value, 9), -abs(shift), shift))
    shift = best[2]
    found = np.zeros(n)
    pairs = [(i, i - shift) for i in range(n) if 0 <= i - shift < n]
    offset = np.mean([label[i] - prediction[j] for i, j in pairs])
    for i, j in pairs:
        found[i] = prediction[j] + offset
    return found


@pytest.mark.parametrize("seed", range(5))
def test_alignment_equals_the_plain_definition(seed):
    rng = np.random.default_rng(seed)
    label = rng.normal(size=90).cumsum()
    prediction = np.roll(label, 4) + rng.normal(size=90)
    np.testing.assert_allclose(
        align(label, prediction, 50), _align_slowly(label, prediction, 50)
    )


def test_the_smallest_of_equal_shifts_wins():
    label = np.tile([0.0, 1.0], 30)
    aligned = align(label, label, 100)
    np.testing.assert_allclose(aligned, label)
    # A flat prediction fits equally well everywhere: it is not moved.
    assert np.allclose(align(label, np.full(60, 7.0), 100), 0.5)


def test_score_ignores_a_vertical_offset_and_a_small_shift():
    rng = np.random.default_rng(0)
    label = np.zeros((12, 500))
    label[:, 100:400] = rng.normal(size=(12, 300))
    moved = np.roll(label, 9, axis=1) + 3.0
    signal, noise = lead_powers(label, moved, 100)
    # Nine samples are uncovered; both are 0 there.
    np.testing.assert_allclose(noise, 0, atol=1e-12)
    np.testing.assert_allclose(signal, (label**2).sum(axis=1))


def test_a_shift_beyond_a_fifth_of_a_second_is_not_undone():
    rng = np.random.default_rng(0)
    label = rng.normal(size=(1, 500))
    _, noise = lead_powers(label, np.roll(label, 21, axis=1), 100)
    assert noise[0] > 100


def test_samples_that_a_shift_uncovers_count_as_zero():
    label = np.array([5.0, 0, 0, 0, 9, 0, 0, 0, 0, 0])
    found = np.array([0.0, 0, 9, 0, 0, 0, 0, 0, 0, 5.0])
    aligned = align(label, found, 10)
    assert aligned[:2].tolist() == [0, 0]


def test_ratios_are_pooled_over_leads_and_capped():
    label = np.array([[1.0, -1.0, 1.0, -1.0], [2.0, -2.0, 2.0, -2.0]])
    found = label * [[0.5], [1.0]]
    # Signal 4 + 16, noise 4 x 0.25.
    assert record_ratio(label, found, 1) == pytest.approx(20.0)
    assert record_ratio(label, found, 1, cap=7) == 7
    assert record_ratio(label, label, 1) == 1e6
    assert record_ratio(label * 0, label, 1) == 0


def test_the_score_is_of_the_mean_ratio_not_the_mean_of_decibels():
    assert score_db([1.0, 199.0]) == pytest.approx(20.0)
    assert score_db([0.0]) == -math.inf


def test_only_what_is_printed_counts_and_arguments_stay_as_they_are():
    rng = np.random.default_rng(1)
    label, found = rng.normal(size=(2, 12, 200))
    label[:, 50:] = np.nan
    kept = label.copy(), found.copy()
    ratio = record_ratio(label, found, 50)
    other = found.copy()
    other[:, 50:] = np.nan
    assert record_ratio(label, other, 50) == ratio
    np.testing.assert_array_equal(label, kept[0])
    np.testing.assert_array_equal(found, kept[1])


def test_a_prediction_that_is_not_finite_or_of_another_shape_is_refused():
    label = np.ones((12, 10))
    with pytest.raises(ValueError, match="lead 3 is not finite"):
        found = label.copy()
        found[3, 2] = np.nan
        lead_powers(label, found, 10)
    with pytest.raises(ValueError, match=r"\(12, 10\).*\(12, 9\)"):
        lead_powers(label, label[:, :9], 10)


@pytest.fixture
def tables():
    """Solution and submission of two records at two rates."""
    rng = np.random.default_rng(2)
    rows, ratios = [], []
    for record, rate_hz in (("a_1", 50), ("b", 64)):
        label, found = rng.normal(size=(2, 12, rate_hz))
        found += 2 * label
        ratios.append(record_ratio(label, found, rate_hz))
        for index, lead in enumerate(LEADS):
            for sample in range(rate_hz):
                values = label[index, sample], found[index, sample]
                rows.append((f"{record}_{sample}_{lead}", rate_hz, *values))
    table = pd.DataFrame(rows, columns=["id", "fs", "value", "found"])
    submission = table[["id", "found"]].rename(columns={"found": "value"})
    return table[["id", "fs", "value"]], submission, score_db(ratios)


def test_tables_score_as_their_arrays_do_in_any_order(tables):
    solution, submission, expected = tables
    shuffled = submission.sample(frac=1, random_state=0)
    assert score_tables(solution, shuffled) == pytest.approx(expected)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda t: t[1:], "'a_1_0_I' is missing"),
        (lambda t: pd.concat([t, t[:1]]), "'a_1_0_I' is there twice"),
        (lambda t: t.assign(value=np.inf), "'a_1_0_I' is not finite"),
        (
            lambda t: pd.concat([t, t[:1].assign(id="c_0_I")]),
            "'c_0_I' is unknown",
        ),
    ],
)
def test_a_wrong_submission_is_refused_by_id(tables, change, message):
    solution, submission, _ = tables
    with pytest.raises(InputError, match=message):
        score_tables(solution, change(submission))


def test_a_solution_with_other_ids_is_refused(tables):
    table = pd.DataFrame({"id": ["a_0_X"], "fs": [50], "value": [1.0]})
    with pytest.raises(InputError, match="a_0_X"):
        score_tables(table, table[["id", "value"]])

"""Four rows to twelve leads: what is printed twice or follows."""

import numpy as np
import pytest

from ecg_keras.ecg.leads import (
    LEADS,
    printed_mask,
    printed_parts,
)
from ecg_keras.models.reading.leads_from_rows import (
    join_rows,
    lead_ii_difference,
)
from tests.arrays import to_numpy, to_tensor

pytestmark = pytest.mark.filterwarnings(
    # TensorFlow's own use of NumPy.
    "ignore::DeprecationWarning",
)


def _rows(signals_mv):
    rows = np.zeros((1, 4, signals_mv.shape[1]), np.float32)
    for row, lead, samples in printed_parts():
        rows[0, row, samples] = signals_mv[LEADS.index(lead), samples]
    return rows


@pytest.mark.parametrize("relations", [True, False])
def test_rows_join_to_the_leads_that_they_print(signals_mv, relations):
    rows = _rows(signals_mv)
    std = np.full_like(rows, 0.01)
    found, deviation = join_rows(to_tensor(rows), to_tensor(std), relations)
    expected = signals_mv * printed_mask()
    np.testing.assert_allclose(to_numpy(found)[0], expected, atol=1e-5)
    assert (to_numpy(deviation)[0][printed_mask() > 0] <= 0.0101).all()


def test_relations_lower_the_noise_of_limb_leads(signals_mv):
    rows = _rows(signals_mv)
    noisy = rows + np.random.default_rng(0).normal(0, 0.02, rows.shape)
    std = to_tensor(np.full_like(rows, 0.02))
    mask = printed_mask()
    power = {}
    for relations in (True, False):
        found, _ = join_rows(to_tensor(noisy), std, relations)
        error = (to_numpy(found)[0] - signals_mv) * mask
        power[relations] = (error[:6] ** 2).sum()
    assert power[True] < 0.8 * power[False]


def test_joined_limb_leads_keep_einthovens_relation(signals_mv):
    rows = _rows(signals_mv)
    noisy = rows + np.random.default_rng(0).normal(0, 0.02, rows.shape)
    found, _ = join_rows(to_tensor(noisy), to_tensor(np.full_like(rows, 0.02)))
    first_quarter = to_numpy(found)[0][:, :1250]
    lead_i, lead_ii, lead_iii = first_quarter[:3]
    assert np.abs(lead_i + lead_iii - lead_ii).max() < 1e-5


def test_a_sure_row_outweighs_an_unsure_one(signals_mv):
    rows = _rows(signals_mv)
    wrong = rows.copy()
    wrong[0, 1] += 0.5  # lead II of the second row; the strip is right
    std = np.full_like(rows, 0.01)
    std[0, 1] = 1.0
    found, _ = join_rows(to_tensor(wrong), to_tensor(std))
    error = to_numpy(found)[0][LEADS.index("II"), :1250]
    np.testing.assert_allclose(error, signals_mv[1, :1250], atol=0.01)


def test_the_prints_of_lead_ii_are_compared(signals_mv):
    rows = _rows(signals_mv)
    wrong = rows.copy()
    wrong[0, 1] = rows[0, 0, ::-1]
    flat = 0.001 * wrong
    both = to_tensor(np.concatenate([rows + 0.2, wrong, flat]))
    alike, unrelated, nothing = to_numpy(lead_ii_difference(both))
    assert alike < 1e-6 and nothing < 0.01 and unrelated > 0.5

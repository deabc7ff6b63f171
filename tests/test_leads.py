import numpy as np
import pytest

from ecg_keras.ecg import leads


def test_page_prints_each_lead_once_in_its_quarter():
    printed = [lead for row in leads.PAGE_ROWS for lead in row]
    assert sorted(printed) == sorted(leads.LEADS)
    assert leads.printed_stretch("I") == (0, 1250)
    assert leads.printed_stretch("aVL") == (1250, 2500)
    assert leads.printed_stretch("V1") == (2500, 3750)
    assert leads.printed_stretch("V6") == (3750, 5000)


def test_rhythm_lead_is_printed_in_full():
    assert leads.printed_stretch("II") == (0, 5000)
    assert leads.printed_mask()[1].sum() == 5000
    assert leads.printed_mask().sum() == 5000 + 11 * 1250


@pytest.mark.parametrize("rate_hz", [250, 256, 500, 512, 1000, 1025])
def test_quarters_tile_the_record_at_any_rate(rate_hz):
    n_samples = 10 * rate_hz
    edges = [leads.printed_stretch(k, n_samples) for k in leads.PAGE_ROWS[0]]
    assert edges[0][0] == 0 and edges[-1][1] == n_samples
    assert all(a[1] == b[0] for a, b in zip(edges, edges[1:], strict=False))


def test_limb_leads_follow_from_two_leads():
    lead_i = np.array([1.0, 0.0, 0.4])
    lead_ii = np.array([0.0, 1.0, 1.0])
    limb = leads.limb_leads(lead_i, lead_ii)
    np.testing.assert_allclose(limb[2], [-1.0, 1.0, 0.6])  # III
    np.testing.assert_allclose(limb[3], [-0.5, -0.5, -0.7])  # aVR
    np.testing.assert_allclose(limb[4], [1.0, -0.5, -0.1])  # aVL
    np.testing.assert_allclose(limb[5], [-0.5, 1.0, 0.8])  # aVF
    # The three augmented leads sum to zero.
    np.testing.assert_allclose(limb[3:6].sum(axis=0), 0.0, atol=1e-12)


def test_einthoven_residual_is_zero_only_for_consistent_leads():
    rng = np.random.default_rng(0)
    signals = rng.normal(size=(2, 12, 50))
    signals[:, :6] = leads.limb_leads(signals[:, 0], signals[:, 1])
    assert np.abs(leads.einthoven_residual_mv(signals)).max() < 1e-12
    signals[0, 2, 7] += 0.25
    residual = leads.einthoven_residual_mv(signals)
    assert residual[0, 2, 7] == pytest.approx(0.25)
    assert np.count_nonzero(np.abs(residual) > 1e-9) == 1

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
def test_quarters_are_those_of_the_competitions_generator(rate_hz):
    for quarter, lead in enumerate(leads.PAGE_ROWS[0]):
        start = int(quarter * 2.5 * rate_hz)
        expected = start, start + int(2.5 * rate_hz)
        assert leads.printed_stretch(lead, 10 * rate_hz) == expected


def test_two_samples_of_a_record_at_1025_hz_are_printed_nowhere():
    # Read from files that the generator wrote.
    edges = [leads.printed_stretch(k, 10250) for k in leads.PAGE_ROWS[0]]
    assert edges == [(0, 2562), (2562, 5124), (5125, 7687), (7687, 10249)]


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


def test_the_parts_of_the_rows_are_what_the_mask_shows():
    parts = list(leads.printed_parts())
    assert parts[1] == (0, "aVR", slice(1250, 2500))
    assert parts[-1] == (3, "II", slice(0, 5000))
    assert leads.leads_of_quarter(1) == ["aVR", "aVL", "aVF", "II"]
    for index, lead in enumerate(leads.LEADS):
        start, stop = leads.printed_stretch(lead)
        expected = np.zeros(5000)
        expected[start:stop] = 1
        np.testing.assert_array_equal(leads.printed_mask()[index], expected)

"""Leads told apart by what they have to do with each other."""

import numpy as np
import pytest

from ecg_keras.ecg.leads import LEADS, limb_leads
from ecg_keras.models.layout.compared_rows import aligned
from ecg_keras.models.layout.known_layouts import (
    ANY,
    KNOWN,
    LAYOUT_NAMES,
    known,
)
from ecg_keras.models.layout.relations import (
    disagreement,
    evidence,
    mixing_matrix,
    redundancy,
)

RNG = np.random.default_rng(0)


def twelve_mm(n_samples=400):
    """(12, n) of unrelated I, II and chest leads, in mm."""
    noise = RNG.normal(0, 3, (8, n_samples))
    return np.concatenate([limb_leads(noise[0], noise[1]), noise[2:]])


def rows_of(names, signals):
    return np.stack([
        (-1 if name.startswith("-") else 1)
        * signals[LEADS.index(name.lstrip("-"))]
        for name in names
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("I", "II", "III"), 1),
        (("aVR", "aVL", "aVF"), 1),
        (LEADS[:6], 4),
        (LEADS, 4),
        (("V1", "V2", "V3"), 0),
        (("V1", "V1"), 1),
        (("I", "II", "III", "II"), 2),
        (("aVR", "-aVR"), 1),
    ],
)
def test_what_follows_from_other_leads_is_counted(names, expected):
    assert redundancy(names) == expected


def test_true_leads_agree_whatever_their_offsets():
    names = ("I", "II", "III", "-aVR", "V1", "V1")
    heights = rows_of(names, twelve_mm()) + np.arange(6)[:, None]
    share, weight = disagreement(names, heights)
    assert share < 1e-9 and weight > 0.9


def test_mixing_matrix_says_what_leads_are_made_of():
    np.testing.assert_allclose(
        mixing_matrix(("-aVR", "III", "V2")),
        [[0.5, 0.5, 0], [-1, 1, 0], [0, 0, 1]],
    )


def test_leads_in_another_order_do_not_agree():
    signals = twelve_mm()
    heights = rows_of(("I", "II", "III"), signals)
    assert evidence(("I", "II", "III"), heights) > 2
    assert evidence(("II", "I", "III"), heights) < 0
    assert evidence(("aVR", "aVL", "aVF"), heights) < 0


def test_flat_rows_tell_nothing():
    heights = RNG.normal(0, 0.01, (3, 400))
    assert abs(evidence(("I", "II", "III"), heights)) < 0.01


def test_flat_rows_are_aligned_with_nothing():
    heights = np.zeros((3, 100))
    heights[0, 40:60] = 5.0
    np.testing.assert_array_equal(aligned(heights), heights)


def test_a_spike_read_on_a_neighbour_does_not_hide_agreement():
    names = ("I", "II", "III")
    heights = rows_of(names, twelve_mm())
    heights[1, 100:104] += 60
    assert evidence(names, heights) > 2


def test_every_known_layout_has_each_of_its_leads_once():
    for kind in KNOWN:
        names = [
            lead.lstrip("-") for row in kind.rows for lead in row if lead != ANY
        ]
        assert len(set(names)) == len(names)
        if kind.name.startswith(("3x4", "6x2", "12x1", "4x3", "3x5")):
            assert set(LEADS) <= set(names)


def test_layouts_are_known_by_their_names():
    assert {kind.cabrera for kind in known("3X4 +1")} == {True, False}
    assert known("5x7") == ()
    assert "6x2+1" in LAYOUT_NAMES
    # Whatever a recorder of three channels prints.
    groups = {kind.rows for kind in known("3x1")} - {((ANY,),) * 3}
    assert {lead for rows in groups for (lead,) in rows} == set(LEADS)

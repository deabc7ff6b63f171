"""Which leads the rhythm strips of a page show.

A strip may be any lead. Its own print in a column tells most, relations with
limb leads less, and its name.
"""

import itertools

import numpy as np

from ecg_keras.ecg.leads import LIMB_LEADS
from ecg_keras.models.layout.relations import (
    FLAT_PRINT_MM,
    evidence_of_each,
    most_evidence,
)

# What a strip's name tells for its lead, where it is likelier than not.
NAMED_STRIP = 3.0
# A strip is so alike some lead by chance, in the units of evidence.
BY_CHANCE = 0.8
# A strip misread in places is not less like its lead than this.
LEAST_TOLD = -0.5
# Two prints of a lead are more alike than any two leads: the most that one
# tells for it, and so many times more than relations with other leads.
MOST_ALIKE, OWN_PRINT = 5.0, 3.0
# A strip may be any lead; the first few are common.
STRIP_LEADS = {
    "II": 0.7, "V1": 0.6, "V5": 0.4, "III": -0.8, "V6": -0.8, "I": -1.6,
    "aVF": -1.6, "V2": -1.6, "V3": -1.6, "V4": -1.6, "aVR": -1.6, "aVL": -1.6,
}  # fmt: skip


def strip_evidence(height, leads, heights):
    """For or against a strip being each lead, beside a column's leads.

    Args:
        height: (2, T) of the strip: as it is, and aligned.
        leads: n names of the column's leads.
        heights: (2, n, T) of these.

    Returns:
        {lead: (evidence, its weight)}, of the leads with which the column's
        have something to do.
    """
    more, alike = {}, {}
    limb = [k for k, lead in enumerate(leads) if lead.lstrip("-") in LIMB_LEADS]
    if limb:
        own = [leads[k] for k in limb]
        whole = np.concatenate([height[:, None], heights[:, limb]], axis=1)
        told = evidence_of_each(
            [(lead, *own) for lead in LIMB_LEADS], whole[None]
        )
        told = told.max(axis=1) - most_evidence(own, heights[:, limb])
        more = dict(zip(LIMB_LEADS, told.tolist(), strict=True))
    printed = [k for k, lead in enumerate(leads) if lead in STRIP_LEADS]
    if printed:
        # (leads, 2, 2, T)
        pairs = np.stack(
            [np.stack([height, heights[:, k]], axis=1) for k in printed]
        )
        pair_leads = [(leads[k], leads[k]) for k in printed]
        names = [leads[k] for k in printed]
        told = evidence_of_each(pair_leads, pairs).max(axis=1).tolist()
        more = {**dict(zip(names, told, strict=True)), **more}
        told = evidence_of_each(
            pair_leads, pairs, most_for=MOST_ALIKE, flat_mm=FLAT_PRINT_MM
        )
        told = told.max(axis=1).tolist()
        alike = dict(zip(names, told, strict=True))
    # Its own print tells most, and does not suffer from other leads.
    return {
        lead: (alike[lead], OWN_PRINT)
        if alike.get(lead, -np.inf) > value
        else (max(value, LEAST_TOLD), 1.0)
        for lead, value in more.items()
    }


def likely_strips(for_strips, names):
    """The leads that strips most likely show, each another one.

    Args:
        for_strips: for each strip {lead: [(evidence, weight)]}.
        names: for each strip {lead: what its name tells}.

    Returns:
        (leads, score, margin): how well they fit, and by how much better than
        with the next lead in the strip that is least sure.
    """
    scores = []
    for told, named in zip(for_strips, names, strict=True):
        # A lead that is like another fits in some columns, not in all.
        scores.append(
            {
                lead: prior
                + 2 * (_weighted_mean(told[lead]) - BY_CHANCE)
                + NAMED_STRIP * max(2 * named.get(lead, 0.0) - 1, 0.0)
                for lead, prior in STRIP_LEADS.items()
            }
        )
    likely = [
        sorted(score, key=score.get)[: -len(scores) - 2 : -1]
        for score in scores
    ]
    best = max(
        (
            leads
            for leads in itertools.product(*likely)
            if len(set(leads)) == len(leads)
        ),
        key=lambda leads: sum(
            score[lead] for score, lead in zip(scores, leads, strict=True)
        ),
    )
    told, margin = 0.0, np.inf
    for score, lead in zip(scores, best, strict=True):
        others = [v for name, v in score.items() if name not in best]
        margin = min(margin, score[lead] - max(others))
        told += score[lead] - STRIP_LEADS[lead]
    return best, told, margin


def _weighted_mean(told):
    if not told:
        return 0.0
    values, weights = zip(*told, strict=True)
    return float(np.average(values, weights=weights))

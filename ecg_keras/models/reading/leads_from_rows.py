"""From the four rows of the page to twelve leads, by weighted least squares.

Lead II is printed twice, in a row and on the rhythm strip. In the first quarter
I, II and III are printed together with the strip's II; in the second, aVR, aVL
and aVF and the strip. Two limb leads give all others (Einthoven, Goldberger):
each sample there is measured four times, for two unknowns. A measurement weighs
1 / std^2.
"""

import numpy as np
from keras import ops

from ecg_keras.ecg.leads import (
    LEADS,
    LIMB_FROM_I_II,
    LIMB_LEADS,
    N_QUARTERS,
    QUARTER_SAMPLES,
    RHYTHM_LEAD,
    leads_of_quarter,
)

# rms mV: the noise of readings that are flatter than this may differ.
FLAT_MV = 0.03


def join_rows(mean_mv, std_mv, relations=True):
    """Put the rows together.

    Args:
        mean_mv, std_mv: (B, 4, 5000), from `decoding.read_rows`.
        relations: reconcile all limb leads of a quarter; otherwise only both
            prints of lead II are averaged.

    Returns:
        (signals, std_mv), each (B, 12, 5000) mV; 0 where nothing is printed.
    """
    parts = [[None] * N_QUARTERS for _ in LEADS]
    for quarter in range(N_QUARTERS):
        time = slice(quarter * QUARTER_SAMPLES, (quarter + 1) * QUARTER_SAMPLES)
        leads = leads_of_quarter(quarter)
        mean, std = mean_mv[..., time], std_mv[..., time]
        if relations or RHYTHM_LEAD in leads[:-1]:
            mean, std = _reconciled(leads, mean, std, relations)
        for row, lead in enumerate(leads):
            parts[LEADS.index(lead)][quarter] = mean[:, row], std[:, row]
    nothing = ops.zeros_like(mean_mv[:, 0, :QUARTER_SAMPLES])
    signals, stds = (
        ops.stack(
            [
                ops.concatenate(
                    [nothing if part is None else part[k] for part in lead],
                    axis=-1,
                )
                for lead in parts
            ],
            axis=1,
        )
        for k in (0, 1)
    )
    return signals, stds


def lead_ii_difference(mean_mv):
    """How differently the two prints of lead II were read, apart from offsets.

    Args:
        mean_mv: (B, 4, 5000).

    Returns:
        (B,): power of the difference over the sum of the powers; 0 where they
        are alike or flat, about 1 where they are unrelated.
    """
    time = slice(QUARTER_SAMPLES)
    both = [
        mean_mv[:, row, time]
        for row, lead in enumerate(leads_of_quarter(0))
        if lead == RHYTHM_LEAD
    ]
    both = ops.stack(both, axis=1)
    both = both - ops.mean(both, axis=-1, keepdims=True)
    powers = ops.mean(ops.square(both), axis=-1)
    difference = ops.mean(ops.square(both[:, 0] - both[:, 1]), axis=-1)
    return difference / (ops.sum(powers, axis=1) + 2 * FLAT_MV**2)


def _reconciled(leads, mean, std, relations):
    """Weighted least squares over leads that depend on each other.

    Args:
        leads: names of the four rows.
        mean, std: (B, 4, T).

    Returns:
        The same, of the limb leads that fit all four rows best.
    """
    chest = [lead not in LIMB_LEADS for lead in leads]
    if any(chest):  # Only the strip is a limb lead there.
        return mean, std
    matrix = np.array([LIMB_FROM_I_II[LEADS.index(lead)] for lead in leads])
    if not relations:
        matrix = np.eye(len(LIMB_LEADS), dtype=np.float32)
        matrix = np.array([matrix[LEADS.index(lead)] for lead in leads])
        return _averaged(matrix, mean, std)
    weight = 1 / ops.square(std)
    a, b = (ops.convert_to_tensor(matrix[:, k][None, :, None]) for k in (0, 1))
    aa = ops.sum(weight * (a * a), axis=1)
    ab = ops.sum(weight * (a * b), axis=1)
    bb = ops.sum(weight * (b * b), axis=1)
    am = ops.sum(weight * a * mean, axis=1)
    bm = ops.sum(weight * b * mean, axis=1)
    determinant = aa * bb - ab * ab
    lead_i = (bb * am - ab * bm) / determinant
    lead_ii = (aa * bm - ab * am) / determinant
    fitted = lead_i[:, None] * a + lead_ii[:, None] * b
    variance = (
        bb[:, None] * (a * a) - 2 * ab[:, None] * (a * b) + aa[:, None] * b * b
    ) / determinant[:, None]
    return fitted, ops.sqrt(variance)


def _averaged(same, mean, std):
    """Each lead the weighted mean of its prints; `same` is (rows, leads)."""
    weight = 1 / ops.square(std)
    prints = ops.convert_to_tensor((same @ same.T)[None, :, :, None])
    total = ops.sum(prints * weight[:, None], axis=2)
    fitted = ops.sum(prints * (weight * mean)[:, None], axis=2) / total
    return fitted, 1 / ops.sqrt(total)

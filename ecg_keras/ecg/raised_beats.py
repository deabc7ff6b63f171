"""Recordings with some beats raised to 3 to 9 mV, for training.

Ventricular beats that cross three rows of the page are rare: one or two in a
hundred recordings of PTB-XL. Here a window around the largest wave of a lead's
printed quarter is raised. The six limb leads are raised alike, so that they
still follow from each other.
"""

import numpy as np

from ecg_keras.ecg.leads import LEADS, LIMB_LEADS, QUARTER_SAMPLES

# Share of the chest leads, and of the groups of six limb leads, that are
# raised: about half of what a page shows stays as it was.
CHEST_SHARE, LIMB_SHARE = 0.55, 0.35
# A row image reaches 9.6 mV; from 3 mV on a wave crosses the row above.
PEAK_MV = (3.0, 9.0)
# 0.12 to 0.36 s on either side: from a narrow QRS to one with its T wave.
HALF_WIDTH_SAMPLES = (60, 180)
LEAST_WAVE_MV = 0.25  # Smaller ones would become noise.


def raise_beats(signals_mv, rng):
    """A recording with some of its waves raised.

    Args:
        signals_mv: (12, 5000) mV.
        rng: numpy Generator.

    Returns:
        (12, 5000) mV.
    """
    raised_mv = np.array(signals_mv)
    n_limb = len(LIMB_LEADS)
    if rng.random() < LIMB_SHARE:
        # Limb leads are printed in the first two quarters, three in each.
        quarter = rng.integers(0, 2)
        lead = int(rng.integers(0, 3)) + 3 * quarter
        raised_mv[:n_limb] *= _gain(raised_mv[lead], quarter, rng)
    for lead in range(n_limb, len(LEADS)):
        if rng.random() < CHEST_SHARE:
            raised_mv[lead] *= _gain(raised_mv[lead], lead // 3, rng)
    return raised_mv


def _gain(signal_mv, quarter, rng):
    """Factors (5000,) that raise the largest wave of a quarter."""
    first = quarter * QUARTER_SAMPLES
    part = np.abs(signal_mv[first : first + QUARTER_SAMPLES])
    peak_mv = part.max()
    if peak_mv < LEAST_WAVE_MV:
        return 1.0
    wanted_mv = rng.uniform(*PEAK_MV)
    half = int(rng.uniform(*HALF_WIDTH_SAMPLES))
    distance = np.abs(np.arange(len(signal_mv)) - (first + part.argmax()))
    near = np.clip(1 - distance / half, 0, 1)
    window = np.sin(np.pi / 2 * np.sqrt(near)) ** 2
    return 1 + (max(wanted_mv / peak_mv, 1) - 1) * window

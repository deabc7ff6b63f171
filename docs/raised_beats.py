"""Recordings with some beats raised to 3 - 9 mV, as the tracer learnt from.

    python docs/raised_beats.py SIGNALS.npz RAISED.npz

Ventricular beats that cross three rows of the page are rare: one or two in a
hundred recordings. Here a window around the largest wave of a lead's printed
part is raised, in about half of the chest leads and a third of the groups of
limb leads (all six alike, so that they still follow from each other).
"""

import sys

import numpy as np

from ecg_keras.ecg.leads import LEADS, LIMB_LEADS, QUARTER_SAMPLES
from ecg_keras.ecg.signal_files import read_signals_file

N_RECORDS = 80
SEED = 31
CHEST_SHARE, LIMB_SHARE = 0.55, 0.35
PEAK_MV = (3.0, 9.0)
HALF_WIDTH_SAMPLES = (60, 180)
LEAST_WAVE_MV = 0.25  # Smaller ones would become noise.


def main(source, target):
    names, signals_mv = read_signals_file(source)
    rng = np.random.default_rng(SEED)
    chosen = rng.permutation(len(names))[:N_RECORDS]
    raised = [raise_beats(np.array(signals_mv[k]), rng) for k in chosen]
    np.savez(
        target,
        ids=[f"raised_{names[k]}" for k in chosen],
        leads=list(LEADS),
        signals_mv=np.array(raised, np.float32),
    )


def raise_beats(signals_mv, rng):
    """A recording (12, 5000) mV with some waves raised."""
    n_limb = len(LIMB_LEADS)
    if rng.random() < LIMB_SHARE:
        quarter = rng.integers(0, 2)
        lead = int(rng.integers(0, 3)) + 3 * quarter
        signals_mv[:n_limb] *= _gain(signals_mv[lead], quarter, rng)
    for lead in range(n_limb, len(LEADS)):
        if rng.random() < CHEST_SHARE:
            signals_mv[lead] *= _gain(signals_mv[lead], lead // 3, rng)
    return signals_mv


def _gain(signal_mv, quarter, rng):
    """Factors (5000,) that raise the largest wave of a quarter."""
    first = quarter * QUARTER_SAMPLES
    part = np.abs(signal_mv[first : first + QUARTER_SAMPLES])
    peak = part.max()
    if peak < LEAST_WAVE_MV:
        return 1.0
    wanted = rng.uniform(*PEAK_MV)
    half = int(rng.uniform(*HALF_WIDTH_SAMPLES))
    distance = np.abs(np.arange(len(signal_mv)) - (first + part.argmax()))
    near = np.clip(1 - distance / half, 0, 1)
    window = np.sin(np.pi / 2 * np.sqrt(near)) ** 2
    return 1 + (max(wanted / peak, 1) - 1) * window


if __name__ == "__main__":
    main(*sys.argv[1:])

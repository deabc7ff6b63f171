"""The twelve leads: names, order, where and when the page prints them.

A signal array has shape (L, T) = (12, 5000): leads in the order of `LEADS`, mV,
sample i at t = i / 500 s. The page (3 x 4 and a rhythm strip) prints 2.5 s of
each lead, a quarter of the record, and all 10 s of lead II on the bottom row.
"""

import numpy as np

LEADS = (
    "I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6",
)  # fmt: skip
N_LEADS = len(LEADS)

RATE_HZ = 500
DURATION_S = 10.0
N_SAMPLES = int(RATE_HZ * DURATION_S)

# The page, row by row; each column lasts a quarter of the record.
PAGE_ROWS = (
    ("I", "aVR", "V1", "V4"),
    ("II", "aVL", "V2", "V5"),
    ("III", "aVF", "V3", "V6"),
)
RHYTHM_LEAD = "II"
# All rows; the last one, of one lead, is the rhythm strip.
ROWS = (*PAGE_ROWS, (RHYTHM_LEAD,))
N_QUARTERS = len(PAGE_ROWS[0])
QUARTER_S = DURATION_S / N_QUARTERS
QUARTER_SAMPLES = N_SAMPLES // N_QUARTERS

# The column in which each lead stands, in the order of LEADS.
QUARTER_OF_LEAD = {
    lead: quarter for row in PAGE_ROWS for quarter, lead in enumerate(row)
}


def printed_stretch(lead, n_samples=N_SAMPLES):
    """Samples of a lead that the page prints: the rhythm lead is full.

    Args:
        lead: a name from `LEADS`.
        n_samples: samples of the whole record at its own rate.

    Returns:
        (start, stop), sample indices. Both the start and the length of a
        quarter are rounded down, as the competition's generator does: at
        1025 Hz each has 2562 samples, and 5124 and 10249 are not printed.
        The first one is printed where the quarter starts, even where that is
        half a sample later.
    """
    if lead == RHYTHM_LEAD:
        return 0, n_samples
    start = n_samples * QUARTER_OF_LEAD[lead] // N_QUARTERS
    return start, start + n_samples // N_QUARTERS


def printed_parts():
    """What each row of the page prints, from left to right.

    Yields:
        (row, lead, samples): 0 to 3, a name from `LEADS`, and a slice of the
        5000 samples at 500 Hz.
    """
    for row, leads in enumerate(ROWS):
        length = N_SAMPLES // len(leads)
        for column, lead in enumerate(leads):
            yield row, lead, slice(column * length, (column + 1) * length)


def leads_of_quarter(quarter):
    """The lead that each of the four rows prints in a quarter, 0 to 3."""
    return [leads[quarter % len(leads)] for leads in ROWS]


def printed_mask():
    """Mask (12, 5000) float32 of what the page prints: 1 printed, 0 not."""
    mask = np.zeros((N_LEADS, N_SAMPLES), np.float32)
    for _, lead, samples in printed_parts():
        mask[LEADS.index(lead), samples] = 1.0
    return mask


# Einthoven: I + III = II. Goldberger: aVR = -(I + II) / 2,
# aVL = (I - III) / 2 = I - II / 2, aVF = (II + III) / 2 = II - I / 2.
# Rows: the six limb leads; columns: I and II, from which all six follow.
LIMB_FROM_I_II = np.array(
    [[1, 0], [0, 1], [-1, 1], [-0.5, -0.5], [1, -0.5], [-0.5, 1]], np.float32
)
LIMB_LEADS = LEADS[: len(LIMB_FROM_I_II)]


def limb_leads(lead_i, lead_ii):
    """The six limb leads that follow from leads I and II.

    Args:
        lead_i, lead_ii: arrays (..., T) of mV.

    Returns:
        (..., 6, T): I, II, III, aVR, aVL, aVF.
    """
    pair = np.stack([np.asarray(lead_i), np.asarray(lead_ii)], axis=-2)
    return LIMB_FROM_I_II.astype(pair.dtype) @ pair

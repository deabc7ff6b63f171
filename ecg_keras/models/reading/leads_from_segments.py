"""From what was read of a page's segments to twelve leads.

A lead may be printed more than once, and limb leads follow from each other
(Einthoven, Goldberger). What is known twice is used only where it agrees:
prints of one lead are averaged where they are alike, and limb leads of the same
seconds are moved to where they fit each other where they nearly do already.
"""

import numpy as np

from ecg_keras.ecg.leads import LEADS, LIMB_FROM_I_II, LIMB_LEADS, RATE_HZ

# Share of the power of two prints, or of limb leads, that may differ for them
# to be taken for measurements of the same.
AGREES_BELOW = 0.06
# Readings this small, mV, differ as they like.
FLAT_MV = 0.03
# Limb leads are compared in windows of this length.
WINDOW_S = 1.25


def join_segments(layout, readings):
    """Put segments together.

    Args:
        layout: `PrintedLayout` of the page.
        readings: `printed_rows.LeadReading`s of its segments.

    Returns:
        (signals_mv, std_mv), each (12, T) float32, T = `layout.n_samples`; NaN
        where nothing is printed. Leads beyond the twelve are left out.
    """
    shape = len(LEADS), layout.n_samples
    signals = np.full(shape, np.nan, np.float32)
    std = np.full(shape, np.nan, np.float32)
    for index, lead in enumerate(LEADS):
        prints = [
            _placed(reading, layout.n_samples)
            for reading in readings
            if reading.segment.lead.lstrip("-") == lead
        ]
        # The longest first: others are compared with it.
        prints.sort(key=lambda pair: -np.isfinite(pair[0]).sum())
        for own in prints:
            _add(signals[index], std[index], *own)
    _reconcile(signals, std)
    return signals, std


def _placed(reading, n_samples):
    """(signal, deviation), each (T,), of a reading where it is in time."""
    sign = -1.0 if reading.segment.lead.startswith("-") else 1.0
    first = round(reading.segment.time_start_s * RATE_HZ)
    n_shown = min(len(reading.signal_mv), n_samples - first)
    placed = []
    for values in (sign * reading.signal_mv, reading.std_mv):
        whole = np.full(n_samples, np.nan, np.float32)
        whole[first : first + n_shown] = values[:n_shown]
        placed.append(whole)
    return placed


def _add(signal, std, own, own_std):
    """Add another print of a lead, in place."""
    both = np.isfinite(signal) & np.isfinite(own)
    new = np.isnan(signal) & np.isfinite(own)
    signal[new], std[new] = own[new], own_std[new]
    if both.sum() < 2:
        return
    # Zero lines of two rows are known to some tenths of a mm only.
    moved = own[both] - np.median(own[both] - signal[both])
    off = np.square(moved - signal[both]).mean()
    power = np.var(moved) + np.var(signal[both]) + 2 * FLAT_MV**2
    if off / power < AGREES_BELOW:
        weight, weight_own = 1 / std[both] ** 2, 1 / own_std[both] ** 2
        total = weight + weight_own
        signal[both] = (weight * signal[both] + weight_own * moved) / total
        std[both] = 1 / np.sqrt(total)


def _reconcile(signals, std):
    """Move limb leads to where they fit each other, in place."""
    n_limb = len(LIMB_LEADS)
    step = round(WINDOW_S * RATE_HZ)
    shown = np.isfinite(signals[:n_limb])
    for start in range(0, signals.shape[1], step):
        part = slice(start, start + step)
        # Leads that begin or end within are left as they are.
        members = np.flatnonzero(shown[:, part].all(axis=1))
        if len(members) < 3:
            continue
        matrix = LIMB_FROM_I_II[members].astype(np.float64)
        values = signals[members, part].astype(np.float64)
        offset = np.median(values, axis=1, keepdims=True)
        weight = 1 / np.square(std[members, part].astype(np.float64))
        fitted, variance = _weighted_fit(matrix, values - offset, weight)
        off = np.square(values - offset - fitted).mean()
        if (
            off / (np.square(values - offset).mean() + FLAT_MV**2)
            > AGREES_BELOW
        ):
            continue
        # What the fit does to the zero lines is left out.
        moved = fitted - np.median(fitted, axis=1, keepdims=True)
        signals[members, part] = moved + offset
        std[members, part] = np.sqrt(variance)


def _weighted_fit(matrix, values, weight):
    """Leads from the I and II that fit best, sample by sample.

    Args:
        matrix: (n, 2), leads from I and II.
        values, weight: (n, T).

    Returns:
        (fitted, variance), each (n, T).
    """
    a, b = matrix[:, :1], matrix[:, 1:]
    aa, ab, bb = (
        (weight * product).sum(axis=0) for product in (a * a, a * b, b * b)
    )
    am, bm = ((weight * own * values).sum(axis=0) for own in (a, b))
    determinant = np.maximum(aa * bb - ab * ab, 1e-12)
    lead_i = (bb * am - ab * bm) / determinant
    lead_ii = (aa * bm - ab * am) / determinant
    variance = bb * (a * a) - 2 * ab * (a * b) + aa * (b * b)
    return a * lead_i + b * lead_ii, variance / determinant

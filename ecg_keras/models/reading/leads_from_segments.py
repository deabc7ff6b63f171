"""From what was read of a page's segments to twelve leads.

A lead may be printed more than once, and limb leads follow from each other
(Einthoven, Goldberger). What is known twice is used only where it agrees:
prints of one lead are averaged where they are alike, and limb leads of the same
seconds are moved to where they fit each other where they nearly do already. Of
four prints or more one may be misread: where the others agree without it, and
without no other, it follows from them.
"""

import itertools

import numpy as np

from ecg_keras.ecg.leads import LEADS, LIMB_FROM_I_II, LIMB_LEADS, RATE_HZ

# Share of the power of two prints, or of limb leads, that may differ for them
# to be taken for measurements of the same. Some pages show limb leads that do
# not fit each other: at 0.06 those that were read to 25 dB lost ten.
AGREES_BELOW = 0.02
# Readings this small, mV, differ as they like.
FLAT_MV = 0.03
# Limb leads are compared in windows of this length.
WINDOW_S = 1.25
# Without the one that is misread, prints agree so many times better than
# without any other: I, II and III do not tell whether I or III is wrong.
TELLS_APART = 3.0
AS_READ = 0.01  # Prints that were read well differ by less.


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
    limb = []
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
        if lead in LIMB_LEADS:
            limb += [(index, *own) for own in prints]
    _reconcile(limb, signals, std)
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


def _reconcile(prints, signals, std):
    """Move limb leads to where they fit each other, in place.

    Args:
        prints: (index of its lead, signal, deviation) of each print of a limb
            lead, of one lead the longest first.
        signals, std: (12, T) as they are without.
    """
    step = round(WINDOW_S * RATE_HZ)
    windows = [
        slice(start, min(start + step, signals.shape[1]))
        for start in range(0, signals.shape[1], step)
    ]

    def shown(window):
        # Leads that begin or end within are left as they are.
        return tuple(
            k
            for k, (_, values, _) in enumerate(prints)
            if np.isfinite(values[window]).all()
        )

    for members, group in itertools.groupby(windows, key=shown):
        if len(members) < 3:
            continue
        group = list(group)
        whole = slice(group[0].start, group[-1].stop)
        leads = np.array([prints[k][0] for k in members])
        values = np.stack([prints[k][1][whole] for k in members]).astype(float)
        weight = np.stack([prints[k][2][whole] for k in members]).astype(float)
        weight = 1 / np.square(weight)
        # Zero lines of rows are known to some tenths of a mm only.
        fitted, _ = _weighted_fit(
            LIMB_FROM_I_II[leads].astype(float), values, np.ones_like(values)
        )
        offset = np.median(values - fitted, axis=1, keepdims=True)
        values -= offset
        for window in group:
            part = slice(window.start - whole.start, window.stop - whole.start)
            found = _agreeing(leads, values[:, part], weight[:, part])
            if found is None:
                continue
            fitted, variance = found
            for lead in np.unique(leads):
                # Of prints of one lead the first, whose zero line is kept.
                k = np.flatnonzero(leads == lead)[0]
                signals[lead, window] = fitted[k] + offset[k]
                std[lead, window] = np.sqrt(variance[k])


def _agreeing(leads, values, weight):
    """The fit of prints that agree: of all, or of all but one.

    Args:
        leads: (n,) index of the lead of each.
        values, weight: (n, T).

    Returns:
        (fitted, variance), each (n, T); None where they do not agree, or do
        not tell which one is misread.
    """
    matrix = LIMB_FROM_I_II[leads].astype(float)
    # Where a wave is far from 0 for long, only its changes tell.
    change = values - np.median(values, axis=1, keepdims=True)

    def without(left_out):
        kept = np.arange(len(leads)) != left_out
        own = np.where(kept[:, None], weight, 0)
        fitted, variance = _weighted_fit(matrix, values, own)
        off = np.square(values - fitted)[kept].mean()
        power = np.square(change)[kept].mean() + FLAT_MV**2
        return off / power, fitted, variance

    off, *found = without(None)
    if off < AGREES_BELOW:
        return found
    if len(leads) < 4:
        return None
    best, second = sorted(
        (without(k) for k in range(len(leads))), key=lambda fit: fit[0]
    )[:2]
    apart = second[0] > TELLS_APART * max(best[0], AS_READ)
    return best[1:] if best[0] < AGREES_BELOW and apart else None


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

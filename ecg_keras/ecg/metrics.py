"""How good signals are: the competition's score, exact, in NumPy.

As published by "PhysioNet - Digitization of ECG Images" (Kaggle,
2025). For each lead the prediction is shifted in time and in voltage to where
it fits best; signal and noise powers are summed over the leads of an image; the
ratio is capped; the score is 10 log10 of the mean ratio over the images.
"""

import math

import numpy as np
import scipy.signal

from ecg_keras.ecg.leads import LEADS
from ecg_keras.errors import InputError

MAX_SHIFT_S = 0.2
# The later published version's cap; the first had 384.
RATIO_CAP = 1e6


def align(label_mv, prediction_mv, rate_hz):
    """Shift a prediction in time and voltage to where it fits a label best.

    The shift in time, at most +-int(0.2 x rate) samples, maximises the cross-
    correlation of the centred signals; of equal ones the smallest wins. Then
    the constant offset that fits best in least squares is added. Samples which
    the shift uncovers are 0.

    Args:
        label_mv: (n,) finite.
        prediction_mv: (m,) finite.
        rate_hz: samples a second of both.

    Returns:
        (n,) float64 mV.
    """
    label = np.asarray(label_mv, np.float64)
    prediction = np.asarray(prediction_mv, np.float64)
    n, m = len(label), len(prediction)
    correlation = scipy.signal.correlate(
        label - label.mean(), prediction - prediction.mean(), mode="full"
    )
    lags = scipy.signal.correlation_lags(n, m, mode="full")
    allowed = np.abs(lags) <= int(MAX_SHIFT_S * rate_hz)
    lags, correlation = lags[allowed], correlation[allowed]
    best = lags[correlation == correlation.max()]
    shift = int(best[np.argmin(np.abs(best))])

    aligned = np.zeros(n)
    start, stop = max(shift, 0), min(n, m + shift)
    moved = prediction[start - shift : stop - shift]
    offset = np.mean(label[start:stop] - moved) if stop > start else 0.0
    aligned[start:stop] = moved + offset
    return aligned


def lead_powers(table_mv, prediction_mv, rate_hz):
    """Signal and noise power of each lead after alignment.

    Args:
        table_mv: (12, n) labels in mV, NaN where not printed.
        prediction_mv: (12, n) mV; only what is printed is looked at, and has
            to be finite there.
        rate_hz: samples a second of both.

    Returns:
        (signal, noise), each (12,): sums of squares in mV^2.

    Raises:
        ValueError: the shapes differ, or a prediction is not finite.
    """
    table = np.asarray(table_mv, np.float64)
    prediction = np.asarray(prediction_mv, np.float64)
    if table.shape != prediction.shape:
        raise ValueError(
            "Expected a prediction of the label's shape "
            f"{table.shape}. Received: {prediction.shape}"
        )
    signal, noise = np.zeros(len(table)), np.zeros(len(table))
    for index, (label, found) in enumerate(zip(table, prediction, strict=True)):
        printed = np.isfinite(label)
        if not printed.any():
            continue
        if not np.isfinite(found[printed]).all():
            raise ValueError(f"The prediction of lead {index} is not finite")
        aligned = align(label[printed], found[printed], rate_hz)
        signal[index] = np.sum(label[printed] ** 2)
        noise[index] = np.sum((label[printed] - aligned) ** 2)
    return signal, noise


def capped_ratio(signal_power, noise_power, cap=RATIO_CAP):
    """Ratio of signal to noise power, at most `cap`; 0 without any signal."""
    if noise_power * cap <= signal_power:
        return cap if signal_power > 0 else 0.0
    return signal_power / noise_power


def record_ratio(table_mv, prediction_mv, rate_hz, cap=RATIO_CAP):
    """An image's capped ratio over its 12 leads; arguments: `lead_powers`."""
    signal, noise = lead_powers(table_mv, prediction_mv, rate_hz)
    return capped_ratio(signal.sum(), noise.sum(), cap)


def score_db(ratios):
    """The final score in dB: 10 log10 of the mean ratio over the images."""
    mean = float(np.mean(ratios))
    return 10 * math.log10(mean) if mean > 0 else -math.inf


def score_tables(solution, submission, cap=RATIO_CAP):
    """Score tables in the competition's format.

    Args:
        solution: DataFrame with `id` = {record}_{sample}_{lead}, `fs` and
            `value` (mV).
        submission: DataFrame with `id` and `value`, the same ids in any order.
        cap: largest ratio of an image.

    Returns:
        The score in dB.

    Raises:
        InputError: ids that are missing, repeated or in excess, values that
            are not finite, or an id of another form.
    """
    for name, table in (("solution", solution), ("submission", submission)):
        if table["id"].duplicated().any():
            first = table["id"][table["id"].duplicated()].iloc[0]
            raise InputError(f"{name}: id {first!r} is there twice")
        bad = ~np.isfinite(table["value"].to_numpy(np.float64))
        if bad.any():
            first = table["id"].iloc[int(np.argmax(bad))]
            raise InputError(f"{name}: the value of {first!r} is not finite")
    merged = solution.merge(
        submission,
        on="id",
        how="outer",
        suffixes=("", "_found"),
        indicator=True,
    )
    for side, what in (("left_only", "missing"), ("right_only", "unknown")):
        odd = merged.loc[merged["_merge"] == side, "id"]
        if len(odd):
            raise InputError(f"submission: id {odd.iloc[0]!r} is {what}")
    parts = merged["id"].str.extract(
        r"^(?P<record>.+)_(?P<sample>\d+)_(?P<lead>[^_]+)$"
    )
    wrong = ~parts["lead"].isin(LEADS)
    if wrong.any():
        first = merged.loc[wrong, "id"].iloc[0]
        raise InputError(
            f"solution: expected an id {{record}}_{{sample}}_{{lead}}. "
            f"Received: {first!r}"
        )
    merged = merged.assign(
        record=parts["record"],
        sample=parts["sample"].astype(int),
        lead=parts["lead"],
    ).sort_values("sample")
    ratios = []
    for _, record in merged.groupby("record"):
        signal = noise = 0.0
        for _, lead in record.groupby("lead"):
            label = lead["value"].to_numpy(np.float64)
            found = lead["value_found"].to_numpy(np.float64)
            aligned = align(label, found, lead["fs"].iloc[0])
            signal += np.sum(label**2)
            noise += np.sum((label - aligned) ** 2)
        ratios.append(capped_ratio(signal, noise, cap))
    return score_db(ratios)

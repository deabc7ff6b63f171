"""Between a record's own rate and the 500 Hz grid, band-limited.

Each lead is resampled over its printed stretch alone, by FFT. A stretch is no
period of anything, so it is first continued at both ends by point reflection
and freed of the line between its ends: neither the jump from NaN to signal nor
the wrap-around of the FFT then rings into it.
"""

import math

import numpy as np
import scipy.fft

from ecg_keras.ecg.leads import (
    DURATION_S,
    LEADS,
    N_LEADS,
    N_SAMPLES,
    RATE_HZ,
    printed_stretch,
)
from ecg_keras.errors import InputError

# How far a stretch is continued beyond its ends.
MARGIN_S = 0.5


def to_grid(table_mv, rate_hz):
    """A record at its own rate to the 500 Hz grid.

    Args:
        table_mv: (12, n) mV at `rate_hz`, NaN where the page prints nothing.
            What is printed is read from where the NaN end.
        rate_hz: samples a second.

    Returns:
        (signals, printed), both (12, 5000) float32: mV, 0 where not printed,
        and the mask of what is printed.

    Raises:
        InputError: not 12 leads, not 10 s, a lead without a sample, or a lead
            with NaN between samples. Says which lead.
    """
    table_mv = np.asarray(table_mv, np.float64)
    n_samples = round(DURATION_S * rate_hz)
    if table_mv.shape != (N_LEADS, n_samples):
        raise InputError(
            f"expected a table of shape {(N_LEADS, n_samples)} for 10 s at "
            f"{rate_hz} Hz. Received: shape {table_mv.shape}"
        )
    signals = np.zeros((N_LEADS, N_SAMPLES), np.float32)
    printed = np.zeros((N_LEADS, N_SAMPLES), np.float32)
    for index, lead in enumerate(LEADS):
        start, stop = finite_stretch(table_mv[index], lead)
        start_s = start / rate_hz
        if start == printed_stretch(lead, n_samples)[0]:
            # At 1025 Hz its quarter may start half a sample later.
            start_s = printed_stretch(lead)[0] / RATE_HZ
        stop_s = start_s + (stop - start) / rate_hz
        first, last = (
            math.floor(edge_s * RATE_HZ + 0.5) for edge_s in (start_s, stop_s)
        )
        signals[index, first:last] = resample(
            table_mv[index, start:stop],
            rate_hz,
            RATE_HZ,
            last - first,
            first / RATE_HZ - start_s,
        )
        printed[index, first:last] = 1.0
    return signals, printed


def from_grid(signals_mv, rate_hz, like=None, stretch=printed_stretch):
    """Signals on the 500 Hz grid to a record's table: the inverse of `to_grid`.

    Args:
        signals_mv: (12, 5000) mV; only what the page prints is looked at.
        rate_hz: samples a second of the table.
        like: a table (12, 10 x rate_hz) whose NaN decide what is printed.
            By default those of `stretch`.
        stretch: (lead, n_samples) -> (start, stop) that the page prints;
            `layouts.Layout.stretch` of another layout than the competition's.

    Returns:
        (12, 10 x rate_hz) float32, NaN where the page prints nothing.
    """
    n_samples = round(DURATION_S * rate_hz)
    table_mv = np.full((N_LEADS, n_samples), np.nan, np.float32)
    for index, lead in enumerate(LEADS):
        start, stop = stretch(lead, n_samples)
        if like is not None:
            start, stop = finite_stretch(like[index], lead)
        table_mv[index, start:stop] = lead_rows(
            signals_mv, lead, rate_hz, stop - start, start, stretch
        )
    return table_mv


def lead_rows(
    signals_mv, lead, rate_hz, n_rows, start=None, stretch=printed_stretch
):
    """A lead as a table lists it: `n_rows` samples from where it is printed.

    Args:
        signals_mv: (12, 5000) mV on the 500 Hz grid.
        lead: a name from `LEADS`.
        rate_hz: samples a second asked for.
        n_rows: number of samples asked for.
        start: index at `rate_hz` of the first of them; by default that of
            `stretch`.
        stretch: see `from_grid`.

    Returns:
        (n_rows,) float32 mV.

    Raises:
        ValueError: signals of another shape.
    """
    if np.shape(signals_mv) != (N_LEADS, N_SAMPLES):
        raise ValueError(
            f"Expected `signals_mv` of shape {(N_LEADS, N_SAMPLES)}. "
            f"Received: shape {np.shape(signals_mv)}"
        )
    first, last = stretch(lead, N_SAMPLES)
    # This sample is printed where the lead begins, see `printed_stretch`.
    begin, _ = stretch(lead, round(DURATION_S * rate_hz))
    values = np.asarray(signals_mv)[LEADS.index(lead), first:last]
    offset_s = 0.0 if start is None else (start - begin) / rate_hz
    return resample(values, RATE_HZ, rate_hz, n_rows, offset_s).astype(
        np.float32
    )


def finite_stretch(values, lead):
    """(start, stop) of the one stretch of finite values.

    Raises:
        InputError: none is finite, or NaN stand between finite values.
    """
    finite = np.flatnonzero(np.isfinite(values))
    if not len(finite):
        raise InputError(f"lead {lead} has no value at all")
    start, stop = int(finite[0]), int(finite[-1]) + 1
    if len(finite) != stop - start:
        gap = start + int(np.argmin(np.isfinite(values[start:stop])))
        raise InputError(
            f"lead {lead} has a gap: row {gap} is empty between rows {start} "
            f"and {stop - 1}"
        )
    return start, stop


def resample(values, rate_in_hz, rate_out_hz, n_out, offset_s=0.0):
    """Band-limited resampling of a stretch that is no period.

    Args:
        values: (n,), value i at t = i / rate_in_hz.
        rate_in_hz, rate_out_hz: whole numbers of samples a second.
        n_out: number of values wanted.
        offset_s: time of the first value wanted.

    Returns:
        (n_out,) float64, value j at t = offset_s + j / rate_out_hz. Equal
        rates without an offset give the values back unchanged.
    """
    values = np.asarray(values, np.float64)
    if rate_in_hz == rate_out_hz and offset_s == 0 and n_out == len(values):
        return values.copy()
    # A length that is a whole number of samples at both rates.
    common = math.gcd(rate_in_hz, rate_out_hz)
    unit = rate_in_hz // common
    margin = math.ceil(MARGIN_S * rate_in_hz)
    n_in = math.ceil((len(values) + 2 * margin) / unit) * unit
    after = n_in - len(values) - margin
    longer = np.pad(values, (margin, after), "reflect", reflect_type="odd")
    line_start = longer[0]
    slope = (longer[-1] - line_start) / (n_in - 1)
    longer = longer - (line_start + slope * np.arange(n_in))

    # Outputs lie on a grid that is shifted by a part of a sample.
    first_s = margin / rate_in_hz + offset_s
    first = math.floor(first_s * rate_out_hz + 1e-9)
    shift_s = first_s - first / rate_out_hz
    n_grid = n_in // unit * (rate_out_hz // common)
    spectrum = scipy.fft.rfft(longer)
    frequency_hz = np.arange(len(spectrum)) * (rate_in_hz / n_in)
    spectrum *= np.exp(2j * np.pi * frequency_hz * shift_s)
    kept = np.zeros(n_grid // 2 + 1, complex)
    n_kept = min(len(kept), len(spectrum))
    kept[:n_kept] = spectrum[:n_kept]
    if n_grid != n_in and min(n_grid, n_in) % 2 == 0:
        # The bin at the lower Nyquist frequency stands for both signs.
        kept[n_kept - 1] *= 0.5 if n_grid > n_in else 2.0
    shifted = scipy.fft.irfft(kept, n_grid) * (n_grid / n_in)
    times_s = first_s + np.arange(n_out) / rate_out_hz
    line = line_start + slope * rate_in_hz * times_s
    return shifted[first : first + n_out] + line

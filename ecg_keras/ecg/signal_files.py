"""Files of signals: npz to read, csv, Parquet and WFDB to write."""

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

from ecg_keras.ecg.leads import (
    DURATION_S,
    LEADS,
    N_LEADS,
    N_SAMPLES,
    RATE_HZ,
    printed_stretch,
)
from ecg_keras.ecg.resampling import from_grid
from ecg_keras.errors import InputError
from ecg_keras.files import replacing, write_csv

FORMATS = ("csv", "parquet", "wfdb")
TIME_COLUMN = "time_s"
STD_PREFIX = "std_mv_"
# WFDB: 1 uV a step, in 32 bits.
WFDB_GAIN_PER_MV = 1000


def read_signals_file(path):
    """Read an npz file of signals.

    Args:
        path: file with `ids` (n,), `leads` (12,), in any order, and
            `signals_uv` or `signals_mv` (n, 12, 5000) at 500 Hz.

    Returns:
        (list of n ids as str, (n, 12, 5000) float32 mV in the order of LEADS).

    Raises:
        InputError: names the file, the value and what was expected.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            arrays = dict(arrays)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except (OSError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is no npz file: {error}") from None
    units = [name for name in ("signals_mv", "signals_uv") if name in arrays]
    if not units or not {"ids", "leads"} <= set(arrays):
        raise InputError(
            f"{path}: expected arrays ids, leads, and signals_uv or "
            f"signals_mv. Received: {sorted(arrays)}"
        )
    ids = [str(name) for name in arrays["ids"]]
    leads = [str(name) for name in arrays["leads"]]
    if sorted(leads) != sorted(LEADS):
        raise InputError(f"{path}: expected leads {LEADS}. Received: {leads}")
    signals_mv = arrays[units[0]].astype(np.float32)
    if units[0] == "signals_uv":
        signals_mv /= 1000
    expected = (len(ids), N_LEADS, N_SAMPLES)
    if signals_mv.shape != expected:
        raise InputError(
            f"{path}: expected {units[0]} of shape {expected}. Received: "
            f"{signals_mv.shape}"
        )
    bad = ~np.isfinite(signals_mv).all(axis=(1, 2))
    if bad.any():
        raise InputError(
            f"{path}: the signals of {ids[int(np.argmax(bad))]} are not finite"
        )
    return ids, signals_mv[:, [leads.index(lead) for lead in LEADS]]


def signals_table(signals_mv, rate_hz=RATE_HZ):
    """Signals as a table.

    Args:
        signals_mv: (12, 5000) mV on the 500 Hz grid.
        rate_hz: samples a second of the table.

    Returns:
        DataFrame with 10 x rate_hz rows and the columns time_s, I, II, III,
        aVR, aVL, aVF, V1 to V6; mV, NaN where the page prints nothing.
    """
    table_mv = from_grid(signals_mv, rate_hz)
    table = pd.DataFrame(table_mv.T, columns=LEADS)
    table.insert(0, TIME_COLUMN, np.arange(len(table)) / rate_hz)
    return table


def deviations_table(std_mv, rate_hz=RATE_HZ):
    """Standard deviations of samples as a table, beside `signals_table`.

    Between samples of the 500 Hz grid a deviation is interpolated linearly:
    it jumps where a trace becomes unclear, and band-limited resampling would
    swing below zero there.

    Args:
        std_mv: (12, 5000) mV on the 500 Hz grid, 0 or more.
        rate_hz: samples a second of the table.

    Returns:
        DataFrame with 10 x rate_hz rows and the columns std_mv_I to std_mv_V6;
        mV, NaN where the page prints nothing.
    """
    n_samples = round(DURATION_S * rate_hz)
    table_mv = np.full((N_LEADS, n_samples), np.nan, np.float32)
    for index, lead in enumerate(LEADS):
        start, stop = printed_stretch(lead, n_samples)
        first, last = printed_stretch(lead, N_SAMPLES)
        table_mv[index, start:stop] = np.interp(
            np.arange(start, stop) / rate_hz,
            np.arange(first, last) / RATE_HZ,
            std_mv[index, first:last],
        )
    columns = [STD_PREFIX + lead for lead in LEADS]
    return pd.DataFrame(table_mv.T, columns=columns)


def write_signals(path, table, file_format):
    """Write a table of signals.

    Args:
        path: file without its suffix; `.csv`, `.parquet`, or `.hea` and `.dat`
            are added.
        table: see `signals_table`.
        file_format: one of `FORMATS`.

    Raises:
        InputError: WFDB cannot take the path's name, or is not installed.
    """
    path = Path(path)
    if file_format == "csv":
        write_csv(table, _with_suffix(path, ".csv"), float_format="%.5f")
    elif file_format == "parquet":
        with replacing(_with_suffix(path, ".parquet")) as partial:
            table.to_parquet(partial, index=False)
    elif file_format == "wfdb":
        _write_wfdb(path, table)
    else:
        raise ValueError(
            f"Expected a format from {FORMATS}. Received: {file_format}"
        )


def _with_suffix(path, suffix):
    # The stem itself may hold dots.
    return path.with_name(path.name + suffix)


def _write_wfdb(path, table):
    try:
        import wfdb
    except ImportError as error:
        raise InputError(
            f"WFDB needs a package ({error}): pip install 'ecg_keras[wfdb]'"
        ) from error
    rate_hz = round(1 / (table[TIME_COLUMN][1] - table[TIME_COLUMN][0]))
    # WFDB names may hold letters, digits, hyphens and underscores only.
    name = "".join(c if c.isalnum() or c in "-_" else "_" for c in path.name)
    with replacing(_with_suffix(path, "_wfdb")) as partial:
        partial.mkdir()
        wfdb.wrsamp(
            name,
            fs=rate_hz,
            units=["mV"] * len(LEADS),
            sig_name=list(LEADS),
            p_signal=table[list(LEADS)].to_numpy(np.float64),
            fmt=["32"] * len(LEADS),
            adc_gain=[WFDB_GAIN_PER_MV] * len(LEADS),
            baseline=[0] * len(LEADS),
            write_dir=str(partial),
        )

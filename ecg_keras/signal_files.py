"""Found signals to files: csv, Parquet, WFDB."""

from pathlib import Path

import numpy as np
import pandas as pd

from ecg_keras.errors import InputError
from ecg_keras.files import replacing
from ecg_keras.leads import LEADS, RATE_HZ
from ecg_keras.resampling import from_grid

FORMATS = ("csv", "parquet", "wfdb")
TIME_COLUMN = "time_s"
# WFDB: 1 uV a step, in 32 bits.
WFDB_GAIN_PER_MV = 1000


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
        with replacing(_with_suffix(path, ".csv")) as partial:
            table.to_csv(partial, index=False, float_format="%.5f")
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

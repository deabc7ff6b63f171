"""Files of signals: npz, WFDB to read; also csv, Parquet, DICOM to write."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd

from ecg_keras.ecg.dicom import write_dicom
from ecg_keras.ecg.leads import LEADS, N_LEADS, N_SAMPLES, RATE_HZ
from ecg_keras.ecg.resampling import resample
from ecg_keras.errors import InputError
from ecg_keras.files import DAMAGED, replacing, write_csv

FORMATS = ("csv", "parquet", "wfdb", "dicom")
TIME_COLUMN = "time_s"
STD_PREFIX = "std_mv_"
# WFDB: 1 uV a step, in 32 bits.
WFDB_GAIN_PER_MV = 1000
WFDB_NOT_SHOWN = -(2**31)


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
        with open(path, "rb") as file, np.load(file) as archive:
            # A member that is no array comes as bytes.
            arrays = {name: np.asarray(archive[name]) for name in archive}
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except (*DAMAGED, MemoryError) as error:
        raise InputError(f"{path} is no npz file: {error}") from None
    units = [name for name in ("signals_mv", "signals_uv") if name in arrays]
    if not units or not {"ids", "leads"} <= set(arrays):
        raise InputError(
            f"{path}: expected arrays ids, leads, and signals_uv or "
            f"signals_mv. Received: {sorted(arrays)}"
        )
    try:
        ids = [str(name) for name in arrays["ids"]]
        leads = [str(name) for name in arrays["leads"]]
        signals_mv = arrays[units[0]].astype(np.float32)
    # SystemError: a name with characters that are none.
    except (TypeError, ValueError, SystemError) as error:
        raise InputError(f"{path} holds no signals: {error}") from None
    if sorted(leads) != sorted(LEADS):
        raise InputError(f"{path}: expected leads {LEADS}. Received: {leads}")
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


def write_signals_file(path, ids, signals_mv):
    """Write an npz file as `read_signals_file` reads it.

    Args:
        path: file that ends in .npz.
        ids: list of n names.
        signals_mv: (n, 12, 5000) mV at 500 Hz, in the order of LEADS.
    """
    with replacing(path) as partial:
        np.savez_compressed(
            partial,
            ids=list(ids),
            leads=list(LEADS),
            signals_mv=np.asarray(signals_mv, np.float32),
        )


def read_wfdb_folder(folder):
    """Read all WFDB records below a folder, such as PTB-XL's `records500`.

    Args:
        folder: with files `ID.hea`, of 12 leads for 10 s at 500 Hz.

    Returns:
        As `read_signals_file`, in the order of the ids.

    Raises:
        InputError: there is no record, or one of another kind; WFDB is not
            installed.
    """
    wfdb = _wfdb()
    headers = sorted(Path(folder).rglob("*.hea"), key=lambda path: path.stem)
    if not headers:
        raise InputError(f"{folder}: no WFDB record (.hea) in it")
    order = {lead.upper(): index for index, lead in enumerate(LEADS)}
    signals_mv = np.empty((len(headers), N_LEADS, N_SAMPLES), np.float32)
    for index, path in enumerate(headers):
        record = wfdb.rdrecord(str(path.with_suffix("")))
        names = [str(name).upper() for name in record.sig_name]
        shape = record.p_signal.shape
        good = record.fs == RATE_HZ and sorted(names) == sorted(order)
        units = {str(unit).lower() for unit in record.units}
        if not good or shape[0] != N_SAMPLES or units != {"mv"}:
            raise InputError(
                f"{path}: expected {N_SAMPLES} samples of 12 leads in mV at "
                f"{RATE_HZ} Hz. Received: {shape[0]} of {names} in "
                f"{sorted(units)} at {record.fs} Hz"
            )
        signals_mv[index, [order[name] for name in names]] = record.p_signal.T
        if not np.isfinite(signals_mv[index]).all():
            raise InputError(f"{path}: its signals are not finite")
    return [path.stem for path in headers], signals_mv


def signals_table(signals_mv, rate_hz=RATE_HZ):
    """Signals as a table.

    Args:
        signals_mv: (12, T) mV at 500 Hz, NaN where nothing is printed.
        rate_hz: samples a second of the table. Each stretch between NaN is
            resampled alone, band-limited.

    Returns:
        DataFrame with T / 500 x rate_hz rows and the columns time_s, I, II,
        III, aVR, aVL, aVF, V1 to V6; mV, NaN where nothing is printed.
    """

    def resampled(values, n_out, offset_s):
        return resample(values, RATE_HZ, rate_hz, n_out, offset_s)

    table = pd.DataFrame(
        _at_rate(signals_mv, rate_hz, resampled).T, columns=LEADS
    )
    table.insert(0, TIME_COLUMN, np.arange(len(table)) / rate_hz)
    return table


def deviations_table(std_mv, rate_hz=RATE_HZ):
    """Standard deviations of samples as a table, beside `signals_table`.

    Between samples of the 500 Hz grid a deviation is interpolated linearly:
    it jumps where a trace becomes unclear, and band-limited resampling would
    swing below zero there.

    Args:
        std_mv: (12, T) mV at 500 Hz, 0 or more, NaN where nothing is printed.
        rate_hz: samples a second of the table.

    Returns:
        DataFrame with T / 500 x rate_hz rows and the columns std_mv_I to
        std_mv_V6; mV, NaN where nothing is printed.
    """

    def interpolated(values, n_out, offset_s):
        times_s = offset_s + np.arange(n_out) / rate_hz
        return np.interp(times_s, np.arange(len(values)) / RATE_HZ, values)

    columns = [STD_PREFIX + lead for lead in LEADS]
    return pd.DataFrame(
        _at_rate(std_mv, rate_hz, interpolated).T, columns=columns
    )


def _at_rate(values_mv, rate_hz, convert):
    """(12, T) at 500 Hz to another rate, each finite stretch by itself.

    Its start and its length are rounded down, as `leads.printed_stretch` does.

    Args:
        convert: (values, n_out, offset_s) -> (n_out,), value j at
            offset_s + j / rate_hz from the first of `values`.
    """
    n_rows = values_mv.shape[1] * rate_hz // RATE_HZ
    table_mv = np.full((N_LEADS, n_rows), np.nan, np.float32)
    for values, row in zip(values_mv, table_mv, strict=True):
        finite = np.concatenate([[False], np.isfinite(values), [False]])
        edges = np.flatnonzero(finite[1:] != finite[:-1])
        for first, last in edges.reshape(-1, 2):
            start = first * rate_hz // RATE_HZ
            n_out = min((last - first) * rate_hz // RATE_HZ, n_rows - start)
            offset_s = start / rate_hz - first / RATE_HZ
            row[start : start + n_out] = convert(
                values[first:last], n_out, offset_s
            )
    return table_mv


def write_signals(path, table, file_format, summary=None):
    """Write a table of signals.

    Args:
        path: file without its suffix; `.csv`, `.parquet` or `.dcm` is added,
            or `_wfdb` for the folder of a WFDB record.
        table: see `signals_table`; other columns go to csv and Parquet alone.
        file_format: one of `FORMATS`.
        summary: dict, the metadata of Parquet's schema under the key
            "ecg_keras", as JSON.

    Raises:
        InputError: a package that the format needs is not installed, a value
            is too large for it, or what was written reads back otherwise.
    """
    path = Path(path)
    if file_format == "csv":
        write_csv(table, _with_suffix(path, ".csv"), float_format="%.5f")
    elif file_format == "parquet":
        _write_parquet(_with_suffix(path, ".parquet"), table, summary or {})
    elif file_format == "wfdb":
        _write_wfdb(path, table)
    elif file_format == "dicom":
        write_dicom(
            _with_suffix(path, ".dcm"),
            table[list(LEADS)].to_numpy(np.float64),
            rate_of(table),
        )
    else:
        raise ValueError(
            f"Expected a format from {FORMATS}. Received: {file_format}"
        )


def _write_parquet(path, table, summary):
    import pyarrow
    import pyarrow.parquet

    arrow = pyarrow.Table.from_pandas(table, preserve_index=False)
    metadata = {**arrow.schema.metadata, b"ecg_keras": json.dumps(summary)}
    with replacing(path) as partial:
        pyarrow.parquet.write_table(
            arrow.replace_schema_metadata(metadata), partial
        )


def _with_suffix(path, suffix):
    # The stem itself may hold dots.
    return path.with_name(path.name + suffix)


def _write_wfdb(path, table):
    wfdb = _wfdb()
    rate_hz = rate_of(table)
    signals_mv = table[list(LEADS)].to_numpy(np.float64)
    shown = np.isfinite(signals_mv)
    steps = np.round(np.where(shown, signals_mv, 0) * WFDB_GAIN_PER_MV)
    steps = np.where(shown, steps, WFDB_NOT_SHOWN).astype(np.int64)
    # WFDB names may hold letters, digits, hyphens and underscores only.
    name = re.sub("[^A-Za-z0-9_-]", "_", path.name)
    with replacing(_with_suffix(path, "_wfdb")) as partial:
        partial.mkdir()
        wfdb.wrsamp(
            name,
            fs=rate_hz,
            units=["mV"] * len(LEADS),
            sig_name=list(LEADS),
            d_signal=steps,
            fmt=["32"] * len(LEADS),
            adc_gain=[WFDB_GAIN_PER_MV] * len(LEADS),
            baseline=[0] * len(LEADS),
            write_dir=str(partial),
        )
        found = wfdb.rdrecord(str(partial / name))
        check_read_back(path, signals_mv, found.p_signal, WFDB_GAIN_PER_MV)


def rate_of(table):
    """Samples a second of a table."""
    return round(1 / (table[TIME_COLUMN][1] - table[TIME_COLUMN][0]))


def check_read_back(path, written_mv, found_mv, steps_per_mv):
    """Compare what a file holds with what was to be written.

    Raises:
        InputError: they differ by more than a step, or in what is not shown.
    """
    if not np.allclose(
        written_mv, found_mv, rtol=0, atol=1 / steps_per_mv, equal_nan=True
    ):
        raise InputError(f"{path}: what was written reads back otherwise")


def _wfdb():
    try:
        import wfdb
    except ImportError as error:
        raise InputError(
            f"WFDB needs a package ({error}): pip install 'ecg_keras[wfdb]'"
        ) from error
    return wfdb

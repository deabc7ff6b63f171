"""Signals to the competition's table: what to submit, and checks of it."""

from pathlib import Path

import numpy as np
import pandas as pd

from ecg_keras.ecg.leads import LEADS
from ecg_keras.ecg.records import check_unique, read_csv, whole_numbers
from ecg_keras.ecg.resampling import lead_rows
from ecg_keras.errors import InputError
from ecg_keras.files import DAMAGED

SAMPLE_NAMES = ("sample_submission.parquet", "sample_submission.csv")
VALUE_FORMAT = "%.6f"


def read_test_table(data_dir):
    """The rows of test.csv: what a submission has to contain.

    Returns:
        DataFrame with the columns id (str), lead, fs, number_of_rows (int).

    Raises:
        InputError: names the file, the value and what was expected.
    """
    path = Path(data_dir) / "test.csv"
    table = read_csv(path, ("id", "lead", "fs", "number_of_rows"))
    unknown = sorted(set(map(str, table["lead"])) - set(LEADS))
    if unknown:
        raise InputError(
            f"{path}: expected leads from {list(LEADS)}. Received: {unknown}"
        )
    check_unique(path, table["id"] + " " + table["lead"])
    for column in ("fs", "number_of_rows"):
        table[column] = whole_numbers(path, table, column)
    return table


def submission_rows(rows, signals_mv):
    """The part of a submission that belongs to one record.

    Args:
        rows: rows of `read_test_table` of one record.
        signals_mv: (12, 5000) mV.

    Returns:
        DataFrame with the columns id, `{record}_{sample}_{lead}`, and value in
        mV, 32 bits; lead by lead as test.csv has them.

    Raises:
        InputError: a value is not finite.
    """
    parts = []
    for row in rows.itertuples():
        values = lead_rows(signals_mv, row.lead, row.fs, row.number_of_rows)
        if not np.isfinite(values).all():
            raise InputError(f"id {row.id}, lead {row.lead}: not finite")
        ids = [f"{row.id}_{k}_{row.lead}" for k in range(len(values))]
        parts.append(pd.DataFrame({"id": ids, "value": values}))
    return pd.concat(parts, ignore_index=True)


def sample_ids(data_dir):
    """The ids of the competition's sample submission, or None without one."""
    for name in SAMPLE_NAMES:
        path = Path(data_dir) / name
        if path.is_file() and path.suffix == ".parquet":
            try:
                return pd.read_parquet(path, columns=["id"])["id"]
            except DAMAGED as error:
                raise InputError(
                    f"{path} is no Parquet file with a column id: {error}"
                ) from None
        if path.is_file():
            return read_csv(path, ("id",))["id"]
    return None


def expected_ids(table):
    """All ids that a submission to a test.csv has to contain, in order.

    Args:
        table: see `read_test_table`.

    Yields:
        str.
    """
    for row in table.itertuples():
        for sample in range(row.number_of_rows):
            yield f"{row.id}_{sample}_{row.lead}"


def check_sample(data_dir, table):
    """Compare test.csv with the sample submission, if there is one.

    Raises:
        InputError: they ask for different ids; names one.
    """
    sample = sample_ids(data_dir)
    if sample is None:
        return
    odd = set(sample).symmetric_difference(expected_ids(table))
    if odd:
        raise InputError(
            f"{data_dir}: test.csv and the sample submission differ in "
            f"{len(odd)} ids, such as {min(odd)!r}"
        )

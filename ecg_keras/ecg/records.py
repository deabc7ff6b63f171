"""Records in the competition's folder layout, and their split.

data_dir/train.csv                    id, fs, sig_len
data_dir/train/{id}/{id}.csv          12 leads, mV, empty if not printed
data_dir/train/{id}/{id}-{type}.png   one image for each type

Pages of any maker, as `render --variety any` draws them, lie in a folder of
their own kind:

data_dir/pages.csv                    id, ...
data_dir/{id}.csv                     12 leads, mV at 500 Hz
data_dir/{id}.png, or .jpg
data_dir/{id}.json                    where the page lies, what it shows
"""

import dataclasses
import math
import os
import types
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from ecg_keras.ecg.leads import DURATION_S, LEADS
from ecg_keras.ecg.resampling import to_grid
from ecg_keras.errors import InputError
from ecg_keras.files import write_csv

DATA_VARIABLE = "ECG_KERAS_DATA"
KAGGLE_DATA_DIR = "/kaggle/input/physionet-ecg-image-digitization"

# The competition's image types: the page as rendered; scans in colour and in
# black and white; photos of the print, of a screen, of stained and of damaged
# prints; scans of mouldy prints in colour and in black and white.
IMAGE_TYPES = (
    "0001", "0003", "0004", "0005", "0006", "0009", "0010", "0011", "0012",
)  # fmt: skip
ALL_TYPES = "all"
# Of a folder of pages of any maker, and of its pictures.
PAGES_FILE = "pages.csv"
PICTURE_SUFFIXES = (".png", ".jpg")


@dataclasses.dataclass(frozen=True)
class Record:
    """One ECG: its table of signals and the images of its page.

    Attributes:
        id: the competition's name of the record.
        rate_hz: samples a second of the table.
        n_samples: rows of the table, 10 s of them.
        signals_path: the csv.
        image_paths: image type -> file, in the order of `IMAGE_TYPES`.
    """

    id: str
    rate_hz: int
    n_samples: int
    signals_path: Path
    image_paths: Mapping[str, Path]


@dataclasses.dataclass(frozen=True)
class PageRecord:
    """A page of any maker, and what is known of it.

    Attributes:
        id: of the page.
        signals_path: the csv, mV at 500 Hz of what the page shows.
        image_path: its picture.
        truth_path: json of its `paper_map` and `layout`.
    """

    id: str
    signals_path: Path
    image_path: Path
    truth_path: Path


def find_data_dir(data_dir=None):
    """The competition's folder: as given, as ECG_KERAS_DATA says, or Kaggle's.

    Returns:
        A path, or None where nothing was given and Kaggle's is not there.
    """
    chosen = data_dir or os.environ.get(DATA_VARIABLE)
    if chosen:
        return Path(chosen)
    return Path(KAGGLE_DATA_DIR) if Path(KAGGLE_DATA_DIR).is_dir() else None


def read_records(data_dir, image_types=("0001",), on_bad=None):
    """List the training records of a folder; tables are not opened yet.

    Args:
        data_dir: folder in the competition's layout.
        image_types: types from `IMAGE_TYPES`, or ("all",) for those that are
            there.
        on_bad: called with (record id, message) for a record with a missing
            file, which is then left out; None raises instead.

    Returns:
        list of `Record`, in the order of train.csv.

    Raises:
        InputError: names the file, the value and what was expected.
    """
    data_dir = Path(data_dir)
    if not data_dir.is_dir():
        raise InputError(f"{data_dir}: no such data folder")
    unknown = set(image_types) - {*IMAGE_TYPES, ALL_TYPES}
    if unknown or not image_types:
        raise InputError(
            f"Expected image types from {[*IMAGE_TYPES, ALL_TYPES]}. "
            f"Received: {sorted(image_types)}"
        )
    path = data_dir / "train.csv"
    table = read_csv(path, ("id", "fs", "sig_len"))
    check_unique(path, table["id"])
    rates = whole_numbers(path, table, "fs")
    lengths = whole_numbers(path, table, "sig_len")
    records = []
    for record_id, rate_hz, n_samples in zip(
        table["id"], rates, lengths, strict=True
    ):
        try:
            if n_samples != DURATION_S * rate_hz:
                raise InputError(
                    f"{path}, id {record_id}: expected sig_len = 10 x fs = "
                    f"{10 * rate_hz}. Received: {n_samples}"
                )
            folder = data_dir / "train" / record_id
            records.append(
                Record(
                    record_id,
                    int(rate_hz),
                    int(n_samples),
                    _existing(folder / f"{record_id}.csv", record_id),
                    _image_paths(folder, record_id, image_types),
                )
            )
        except InputError as error:
            if on_bad is None:
                raise
            on_bad(record_id, str(error))
    if not records:
        raise InputError(f"{path} lists no record that can be used")
    return records


def is_folder_of_pages(data_dir):
    """Whether a folder holds pages of any maker."""
    return (Path(data_dir) / PAGES_FILE).is_file()


def read_page_records(data_dir, on_bad=None):
    """List the pages of a folder that `render --variety any` wrote.

    Args:
        data_dir: the folder.
        on_bad: see `read_records`.

    Returns:
        list of `PageRecord`, in the order of pages.csv.

    Raises:
        InputError: names the file, the value and what was expected.
    """
    data_dir = Path(data_dir)
    path = data_dir / PAGES_FILE
    ids = read_csv(path, ("id",))["id"]
    check_unique(path, ids)
    records = []
    for page_id in ids:
        pictures = [data_dir / f"{page_id}{s}" for s in PICTURE_SUFFIXES]
        picture = next((p for p in pictures if p.is_file()), pictures[0])
        try:
            records.append(
                PageRecord(
                    page_id,
                    _existing(data_dir / f"{page_id}.csv", page_id),
                    _existing(picture, page_id),
                    _existing(data_dir / f"{page_id}.json", page_id),
                )
            )
        except InputError as error:
            if on_bad is None:
                raise
            on_bad(page_id, str(error))
    if not records:
        raise InputError(f"{path} lists no page that can be used")
    return records


def read_signals(record):
    """A record's signals on the 500 Hz grid.

    Returns:
        (signals, printed): see `resampling.to_grid`.

    Raises:
        InputError: see `read_table`.
    """
    table_mv = read_table(record.signals_path, record.n_samples)
    try:
        return to_grid(table_mv, record.rate_hz)
    except InputError as error:
        raise InputError(f"{record.signals_path}: {error}") from None


def read_table(path, n_samples=None):
    """Read a csv of signals.

    Args:
        path: csv with the columns `LEADS`, mV, empty cells for not printed.
        n_samples: number of rows expected, if known.

    Returns:
        (12, n) float64 mV, NaN for empty cells.

    Raises:
        InputError: missing or empty file or column, a cell that is no number,
            or another number of rows. Says which.
    """
    table = read_csv(path, LEADS)
    for lead in LEADS:
        numbers = pd.to_numeric(table[lead], errors="coerce")
        wrong = numbers.isna() & table[lead].notna() | np.isinf(numbers)
        if wrong.any():
            row = int(np.argmax(wrong))
            raise InputError(
                f"{path}, lead {lead}, row {row}: expected a voltage in mV. "
                f"Received: {table[lead].iloc[row]!r}"
            )
        table[lead] = numbers
    if n_samples is not None and len(table) != n_samples:
        raise InputError(
            f"{path}: expected {n_samples} rows, as train.csv says. "
            f"Received: {len(table)}"
        )
    return table[list(LEADS)].to_numpy(np.float64).T


def write_table(path, table_mv):
    """Write a csv of signals as the competition does: 3 decimals of mV.

    Args:
        path: the file.
        table_mv: (12, n) mV, NaN where not printed.
    """
    table = pd.DataFrame(np.asarray(table_mv).T, columns=LEADS)
    write_csv(table, path, float_format="%.3f")


def split_records(records, train_fraction=0.85, seed=0):
    """Split by record: no page of a validation record is ever trained on.

    The split depends on the ids and the seed, not on the records' order.

    Args:
        records: list of `Record`, two or more.
        train_fraction: share of the records to train on, 0..1; rounded up, so
            that 0.85 of 977 are 831.
        seed: another seed, another split.

    Returns:
        (training, validation), lists sorted by id, neither empty.

    Raises:
        InputError: fewer than two records, or a fraction outside 0..1.
    """
    if not 0 < train_fraction < 1:
        raise InputError(
            "Expected a share of training records between 0 and 1. "
            f"Received: {train_fraction}"
        )
    if len(records) < 2:
        raise InputError(
            "expected at least 2 records, one to train on and one to "
            f"validate with. Received: {len(records)}"
        )
    ordered = sorted(records, key=lambda record: record.id)
    n_train = training_count(len(ordered), train_fraction)
    order = np.random.default_rng(seed).permutation(len(ordered))
    chosen = set(order[:n_train].tolist())
    training = [r for i, r in enumerate(ordered) if i in chosen]
    validation = [r for i, r in enumerate(ordered) if i not in chosen]
    return training, validation


def training_count(n_records, train_fraction=0.85):
    """How many of some records to train on: rounded up, one or more left."""
    n_train = math.ceil(round(train_fraction * n_records, 6))
    return min(max(n_train, 1), n_records - 1)


def _image_paths(folder, record_id, image_types):
    if ALL_TYPES in image_types:
        candidates = {t: folder / f"{record_id}-{t}.png" for t in IMAGE_TYPES}
        found = {t: path for t, path in candidates.items() if path.is_file()}
        if not found:
            raise InputError(f"{folder}: no image of id {record_id}")
    else:
        found = {
            kind: _existing(folder / f"{record_id}-{kind}.png", record_id)
            for kind in IMAGE_TYPES
            if kind in image_types
        }
    return types.MappingProxyType(found)


def _existing(path, record_id):
    if not path.is_file():
        raise InputError(f"{path} of id {record_id} does not exist")
    return path


def read_csv(path, columns):
    """A csv with at least these columns; ids stay text, as they are written."""
    try:
        table = pd.read_csv(path, dtype={"id": str, "lead": str})
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except (ValueError, UnicodeDecodeError, pd.errors.ParserError) as error:
        raise InputError(
            f"{path} is no csv that can be read: {error}"
        ) from None
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise InputError(
            f"{path}: missing columns {missing}. Expected {list(columns)}. "
            f"Received: {list(table.columns)}"
        )
    if table.empty:
        raise InputError(f"{path} has no rows")
    return table


def whole_numbers(path, table, column):
    """A column of whole numbers above 0; an InputError names the others."""
    numbers = pd.to_numeric(table[column], errors="coerce")
    wrong = ~(numbers > 0) | (numbers % 1 != 0) | np.isinf(numbers)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"{path}, id {table['id'].iloc[row]}: expected {column} to be a "
            f"whole number above 0. Received: {table[column].iloc[row]!r}"
        )
    return numbers.astype(int)


def check_unique(path, names):
    """Refuse a column of names with gaps or repetitions."""
    if names.isna().any():
        raise InputError(
            f"{path}: row {int(np.argmax(names.isna()))} has no id"
        )
    repeated = names[names.duplicated()]
    if len(repeated):
        raise InputError(f"{path}: {repeated.iloc[0]!r} is there twice")

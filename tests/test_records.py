"""A competition folder, read and split; every way in which it can be wrong."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from ecg_keras.ecg import records
from ecg_keras.ecg.records import (
    read_records,
    read_signals,
    read_table,
    split_records,
)
from ecg_keras.errors import InputError
from tests.folders import RATES_HZ, write_folder


@pytest.fixture
def folder(tmp_path):
    write_folder(tmp_path, types=("0001", "0005"))
    return tmp_path


def _edit(path, change):
    table = pd.read_csv(path, dtype={"id": str})
    change(table).to_csv(path, index=False)


def test_records_come_with_their_rates_and_images(folder):
    found = read_records(folder, ("0005", "0001"))
    assert [record.id for record in found] == ["000", "001", "002", "003"]
    assert [record.rate_hz for record in found] == list(RATES_HZ[:4])
    assert list(found[0].image_paths) == ["0001", "0005"]
    signals, printed = read_signals(found[3])
    assert signals.shape == printed.shape == (12, 5000)
    times_s = np.arange(1250) / 500
    np.testing.assert_allclose(
        signals[0, :1250], np.sin(8 * np.pi * times_s), atol=2e-3
    )


def test_all_takes_the_images_that_are_there(folder):
    (folder / "train/001/001-0005.png").unlink()
    found = read_records(folder, ("all",))
    assert [len(record.image_paths) for record in found] == [2, 1, 2, 2]


def _drop_column(folder):
    _edit(folder / "train.csv", lambda t: t.drop(columns="fs"))


def _text_rate(folder):
    _edit(folder / "train.csv", lambda t: t.assign(fs=["fast", 1, 2, 3]))


def _double_id(folder):
    _edit(folder / "train.csv", lambda t: pd.concat([t, t[:1]]))


def _wrong_length(folder):
    _edit(folder / "train.csv", lambda t: t.assign(sig_len=2500))


def _empty_list(folder):
    _edit(folder / "train.csv", lambda t: t[:0])


@pytest.mark.parametrize(
    "damage, message",
    [
        (_drop_column, r"train.csv: missing columns \['fs'\]"),
        (_text_rate, "id 000: expected fs .* whole number.*fast"),
        (_double_id, "'000' is there twice"),
        (_wrong_length, "id 001: expected sig_len = 10 x fs = 2560.*2500"),
        (_empty_list, "train.csv has no rows"),
        (lambda f: (f / "train.csv").unlink(), "train.csv does not exist"),
        (lambda f: (f / "train.csv").write_text(""), "no csv"),
        (
            lambda f: (f / "train/002/002.csv").unlink(),
            "002.csv of id 002 does not exist",
        ),
        (
            lambda f: (f / "train/002/002-0001.png").unlink(),
            "002-0001.png of id 002 does not exist",
        ),
        (
            lambda f: (f / "train/003").rename(f / "elsewhere"),
            "003.csv of id 003 does not exist",
        ),
    ],
)
def test_a_damaged_folder_is_refused_by_name(folder, damage, message):
    damage(folder)
    with pytest.raises(InputError, match=message):
        read_records(folder)


def test_a_missing_folder_and_unknown_types_are_refused(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such data folder"):
        read_records(tmp_path / "nowhere")
    with pytest.raises(InputError, match="0001.*Received.*0002"):
        read_records(tmp_path, ("0002",))


def test_bad_records_are_reported_and_skipped_where_asked(folder):
    (folder / "train/002/002.csv").unlink()
    bad = {}
    found = read_records(folder, on_bad=bad.__setitem__)
    assert [record.id for record in found] == ["000", "001", "003"]
    assert list(bad) == ["002"] and "002.csv" in bad["002"]


def _text_cell(table):
    return table.astype(object).assign(V2="much")


@pytest.mark.parametrize(
    "change, message",
    [
        (_text_cell, "lead V2, row 0: expected a voltage.*much"),
        (lambda t: t.drop(columns="aVL"), r"missing columns \['aVL'\]"),
        (lambda t: t[:-1], "expected 2500 rows.*2499"),
        (lambda t: t.assign(II=t["II"].where(t.index != 70)), "row 70"),
        (lambda t: t.assign(V1=np.nan), "V1 has no value"),
    ],
)
def test_a_damaged_table_is_refused_by_name(folder, change, message):
    _edit(folder / "train/000/000.csv", change)
    with pytest.raises(InputError, match=f"000.csv.*{message}"):
        read_signals(read_records(folder)[0])


def test_reading_a_written_table_gives_it_back(folder):
    table = read_table(folder / "train/001/001.csv")
    records.write_table(folder / "again.csv", table)
    np.testing.assert_array_equal(read_table(folder / "again.csv"), table)


def _named(n):
    blank = records.Record("", 500, 5000, None, {})
    return [dataclasses.replace(blank, id=f"{i:05d}") for i in range(n)]


def test_977_records_give_831_and_146():
    training, validation = split_records(_named(977), 0.85)
    assert (len(training), len(validation)) == (831, 146)
    assert not {r.id for r in training} & {r.id for r in validation}


def test_a_split_depends_on_seed_and_ids_but_not_on_their_order():
    named = _named(40)
    training, _ = split_records(named, 0.5, seed=3)
    assert split_records(named[::-1], 0.5, seed=3)[0] == training
    assert split_records(named, 0.5, seed=4)[0] != training


def test_a_split_leaves_neither_part_empty():
    assert [len(part) for part in split_records(_named(2), 0.99)] == [1, 1]
    with pytest.raises(InputError, match="at least 2 records"):
        split_records(_named(1))
    with pytest.raises(InputError, match=r"between 0 and 1.*1\.5"):
        split_records(_named(5), 1.5)


def test_the_data_folder_is_the_flag_then_the_variable_then_kaggles(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(records, "KAGGLE_DATA_DIR", str(tmp_path))
    monkeypatch.delenv(records.DATA_VARIABLE, raising=False)
    assert records.find_data_dir() == tmp_path
    monkeypatch.setenv(records.DATA_VARIABLE, "from_variable")
    assert str(records.find_data_dir()) == "from_variable"
    assert str(records.find_data_dir("from_flag")) == "from_flag"
    monkeypatch.delenv(records.DATA_VARIABLE)
    monkeypatch.setattr(records, "KAGGLE_DATA_DIR", str(tmp_path / "none"))
    assert records.find_data_dir() is None

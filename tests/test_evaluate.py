"""The `evaluate` command: its baselines by hand, and what was refused."""

import numpy as np
import pandas as pd
import pytest

from ecg_keras.commands import evaluate as evaluating
from ecg_keras.commands.evaluate import (
    ALL_IMAGES,
    AVERAGED,
    READ_ONLY,
    EvaluateConfig,
    evaluate,
)
from ecg_keras.ecg.leads import LEADS, N_LEADS, N_SAMPLES
from ecg_keras.ecg.metrics import record_ratio, score_db
from ecg_keras.ecg.records import read_records, read_signals, read_table
from ecg_keras.ecg.resampling import from_grid
from ecg_keras.errors import InputError
from ecg_keras.predictor import Reading
from tests.folders import write_folder

TYPES = ("0001", "0003", "0005")


@pytest.fixture
def folder(tmp_path):
    write_folder(tmp_path / "data", 3, TYPES, rates_hz=(250, 500))
    return tmp_path / "data"


class _Model:
    """Answers the truth at half its height, and refuses some image types."""

    def __init__(self, folder, refused, wrong=()):
        self.refused, self.wrong = refused, wrong
        self.signals_mv = {
            record.id: read_signals(record)[0]
            for record in read_records(folder)
        }

    def read(self, paths):
        signals, found = [], []
        for path in paths:
            record_id, kind = path.stem.split("-")
            wrong = kind in self.wrong
            signals.append(self.signals_mv[record_id] * (5 if wrong else 0.5))
            found.append(kind not in self.refused)
        signals = np.stack(signals)
        names = np.full(len(paths), "half", object)
        return Reading(signals, signals, np.float32(found), names)


def _evaluate(monkeypatch, folder, model, **changes):
    monkeypatch.setattr("ecg_keras.predictor.load", lambda *_: model)
    return evaluate(EvaluateConfig(data_dir=str(folder), **changes))


def _score(folder, answer, types=("0001",)):
    """dB by the metric itself; `answer`: (record's index, type) -> mV."""
    ratios = []
    for index, record in enumerate(read_records(folder)):
        table_mv = read_table(record.signals_path)
        for kind in types:
            found_mv = from_grid(
                answer(index, kind), record.rate_hz, like=table_mv
            )
            ratios.append(record_ratio(table_mv, found_mv, record.rate_hz))
    return score_db(ratios)


def test_baselines_are_zeros_and_the_mean_of_the_other_records(
    folder, tmp_path, capsys
):
    output = tmp_path / "scores.csv"
    table = evaluate(EvaluateConfig(("none",), str(folder), output=str(output)))
    true_mv = [read_signals(r)[0] for r in read_records(folder)]
    zeros = _score(folder, lambda *_: np.zeros((N_LEADS, N_SAMPLES)))
    others = _score(
        folder,
        lambda i, _: np.mean([x for j, x in enumerate(true_mv) if j != i], 0),
    )
    assert list(table.index) == [*TYPES, ALL_IMAGES]
    assert list(table.columns) == ["images", "zeros", "mean of others"]
    assert table["images"].tolist() == [3, 3, 3, 9]
    np.testing.assert_allclose(table["zeros"], zeros, rtol=1e-9)
    np.testing.assert_allclose(table["mean of others"], others, rtol=1e-6)
    written = pd.read_csv(output, index_col=0, dtype={0: str})
    np.testing.assert_allclose(written["zeros"], zeros, rtol=1e-9)
    assert "refused" not in capsys.readouterr().out


def test_a_refused_image_counts_as_zeros_and_is_told(
    folder, monkeypatch, capsys
):
    """What the model reads in it would have scored better."""
    model = _Model(folder, refused=("0003",))
    table = _evaluate(monkeypatch, folder, model)
    assert table["refused"].tolist() == pytest.approx([0, 1, 0, 1 / 3])
    assert table["read"].tolist() == pytest.approx([1, 0, 1, 2 / 3])
    true_mv = [read_signals(r)[0] for r in read_records(folder)]
    half = _score(folder, lambda i, _: true_mv[i] / 2)
    mixed = _score(
        folder, lambda i, kind: true_mv[i] * (kind != "0003") / 2, TYPES
    )
    assert half > mixed + 1
    expected = [half, table["zeros"].iloc[0], half, mixed]
    np.testing.assert_allclose(table["model"], expected, atol=1e-4)
    read = table[READ_ONLY]
    assert np.isnan(read["0003"])
    np.testing.assert_allclose(read.drop("0003"), half, atol=1e-4)
    # Sines without an offset: half of one is off by a quarter of its power.
    np.testing.assert_allclose(
        table.loc["0001", list(LEADS)], 10 * np.log10(4), atol=0.3
    )
    assert "a refused image counts as zeros" in capsys.readouterr().out


def test_averaging_a_records_images_leaves_out_the_refused(folder, monkeypatch):
    wrong_one_refused = _Model(folder, refused=("0003",), wrong=("0003",))
    table = _evaluate(
        monkeypatch, folder, wrong_one_refused, average_images=True
    )
    assert list(table.index) == [AVERAGED, ALL_IMAGES]
    assert table["images"].tolist() == [3, 3]
    assert table["refused"].tolist() == [0, 0]
    true_mv = [read_signals(r)[0] for r in read_records(folder)]
    half = _score(folder, lambda i, _: true_mv[i] / 2)
    np.testing.assert_allclose(table["model"], half, atol=1e-4)
    all_refused = _Model(folder, refused=TYPES)
    table = _evaluate(monkeypatch, folder, all_refused, average_images=True)
    assert table["refused"].tolist() == [1, 1]
    np.testing.assert_allclose(table["model"], table["zeros"])


def test_a_split_needs_a_run_and_data_a_folder(folder, monkeypatch):
    with pytest.raises(InputError, match="--split validation needs --model"):
        evaluate(EvaluateConfig(data_dir=str(folder), split="validation"))
    monkeypatch.setattr(evaluating, "find_data_dir", lambda path: None)
    with pytest.raises(InputError, match="no data: give --data-dir"):
        evaluate(EvaluateConfig())

"""Submissions: their schema, their score, a kill, and bad images."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ecg_keras.commands import submit as submitting
from ecg_keras.commands.submit import SubmitConfig, submit
from ecg_keras.ecg.leads import LEADS
from ecg_keras.ecg.metrics import record_ratio, score_db, score_tables
from ecg_keras.ecg.records import read_records, read_table
from ecg_keras.ecg.resampling import from_grid
from ecg_keras.errors import InputError
from ecg_keras.reading_processes import FEWEST_PAGES
from tests.folders import write_folder
from tests.models import build_tiny


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "a.keras"
    build_tiny().save(path)
    return str(path)


@pytest.fixture
def folder(tmp_path):
    """Training records, turned into a test set of five at five rates."""
    write_test_set(tmp_path / "data", 5)
    return tmp_path / "data"


def write_test_set(data_dir, n_records):
    write_folder(data_dir, n_records)
    (data_dir / "test").mkdir()
    rows = []
    for record in read_records(data_dir):
        image = record.image_paths["0001"]
        (data_dir / "test" / f"{record.id}.png").write_bytes(image.read_bytes())
        for lead in LEADS:
            n_rows = 10 * record.rate_hz if lead == "II" else None
            rows.append((
                record.id, lead, record.rate_hz,
                n_rows or int(10 * record.rate_hz / 4),
            ))  # fmt: skip
    columns = ["id", "lead", "fs", "number_of_rows"]
    pd.DataFrame(rows, columns=columns).to_csv(
        data_dir / "test.csv", index=False
    )


def _config(file, folder, **changes):
    settings = {
        "model": (file,),
        "data_dir": str(folder),
        "output": str(folder / "submission.csv"),
        "records_per_part": 2,
    }
    return SubmitConfig(**{**settings, **changes})


def _solution(folder):
    """The truth of a test set, in the competition's format."""
    rows = []
    for record in read_records(folder):
        table_mv = read_table(record.signals_path)
        for lead, values in zip(LEADS, table_mv, strict=True):
            values = values[np.isfinite(values)]
            wanted = len(values) if lead == "II" else int(len(table_mv[1]) / 4)
            rows += [
                (f"{record.id}_{k}_{lead}", record.rate_hz, value)
                for k, value in enumerate(values[:wanted])
            ]
    return pd.DataFrame(rows, columns=["id", "fs", "value"])


def test_a_submission_follows_the_test_table_and_can_be_scored(model, folder):
    from ecg_keras.predictor import load

    solution = _solution(folder)
    solution[["id"]].sample(frac=1, random_state=0).to_parquet(
        folder / "sample_submission.parquet"
    )
    assert submit(_config(model, folder)) == {}
    found = pd.read_csv(folder / "submission.csv")
    assert list(found) == ["id", "value"]
    assert found["id"].tolist() == solution["id"].tolist()
    predictor, ratios = load(model), []
    for record in read_records(folder):
        table_mv = read_table(record.signals_path)
        signals_mv = predictor.predict([record.image_paths["0001"]])[0]
        prediction = from_grid(signals_mv, record.rate_hz, like=table_mv)
        ratios.append(record_ratio(table_mv, prediction, record.rate_hz))
    assert score_tables(solution, found) == pytest.approx(
        score_db(ratios), abs=1e-3
    )
    submit(_config(model, folder, output=str(folder / "s.parquet")))
    again = pd.read_parquet(folder / "s.parquet")
    assert again["id"].tolist() == found["id"].tolist()
    np.testing.assert_allclose(again["value"], found["value"], atol=1e-6)


@pytest.mark.slow
@pytest.mark.floor
def test_a_killed_submit_goes_on_to_the_same_file(model, folder, monkeypatch):
    submit(_config(model, folder))
    whole = (folder / "submission.csv").read_bytes()
    killed = folder / "killed.csv"
    code = (
        "import os, signal\n"
        "from ecg_keras.commands import submit as submitting\n"
        "write, done = submitting._write_part, []\n"
        "def killed(*args):\n"
        "    if len(done) == 2: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    done.append(write(*args))\n"
        "submitting._write_part = killed\n"
        f"submitting.submit(submitting.SubmitConfig(({model!r},),"
        f" {str(folder)!r}, {str(killed)!r}, 2))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not killed.exists()
    parts = Path(f"{killed}.parts")
    assert len(list(parts.glob("*.json"))) == 2

    calls, write = [], submitting._write_part
    monkeypatch.setattr(
        submitting,
        "_write_part",
        lambda *args: calls.append(args) or write(*args),
    )
    with pytest.raises(InputError, match="begun with other settings"):
        submit(_config(model, folder, output=str(killed), records_per_part=3))
    submit(_config(model, folder, output=str(killed)))
    assert len(calls) == 1
    assert killed.read_bytes() == whole
    assert not parts.exists()


def test_a_killed_submit_goes_on_from_another_working_directory(
    model, folder, tmp_path, monkeypatch
):
    """The packaged model's name is no path."""
    from ecg_keras.predictor import load

    one = load(model)
    monkeypatch.setattr("ecg_keras.predictor.load", lambda *_: one)
    write, done = submitting._write_part, []

    def killed(*args):
        if done:
            raise KeyboardInterrupt
        done.append(write(*args))

    monkeypatch.setattr(submitting, "_write_part", killed)
    config = SubmitConfig(
        data_dir=str(folder), output=str(folder / "s.csv"), records_per_part=2
    )
    with pytest.raises(KeyboardInterrupt):
        submit(config)
    monkeypatch.setattr(submitting, "_write_part", write)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert submit(config) == {}
    with open(folder / "s.csv") as stream:
        assert len(list(stream)) == 1 + len(_solution(folder))


def test_an_image_that_cannot_be_read_fails_or_becomes_a_baseline(
    model, folder, capsys
):
    (folder / "test" / "001.png").write_bytes(b"no image")
    (folder / "test" / "003.png").unlink()
    with pytest.raises(InputError, match="001.png"):
        submit(_config(model, folder))
    assert not (folder / "submission.csv").exists()
    other = str(folder / "other.csv")
    bad = submit(_config(model, folder, output=other, on_error="baseline"))
    assert list(bad) == ["001", "003"]
    said = capsys.readouterr().out
    assert "trouble with 001" in said and "003.png does not exist" in said
    found = pd.read_csv(other)
    values = found.groupby(found["id"].str[:3])["value"].agg(np.ptp)
    assert values["001"] == values["003"] == 0
    assert (values[["000", "002", "004"]] > 0).all()


def test_a_value_that_is_not_finite_is_never_written(
    model, folder, monkeypatch
):
    from ecg_keras.predictor import Predictor, Reading

    def read(self, images):
        nothing = np.full((len(images), 12, 5000), np.nan)
        ones = np.ones(len(images))
        return Reading(nothing, nothing, ones, np.full(len(images), ""))

    monkeypatch.setattr(Predictor, "read", read)
    with pytest.raises(InputError, match="id 000, lead I: not finite"):
        submit(_config(model, folder))
    assert not (folder / "submission.csv").exists()


def _unknown_lead(folder):
    table = pd.read_csv(folder / "test.csv", dtype={"id": str})
    table["lead"] = table["lead"].replace("V6", "V7")
    table.to_csv(folder / "test.csv", index=False)


def _fewer_rows(folder):
    table = pd.read_csv(folder / "test.csv", dtype={"id": str})
    _solution(folder)[["id"]].to_csv(
        folder / "sample_submission.csv", index=False
    )
    table.assign(number_of_rows=100).to_csv(folder / "test.csv", index=False)


def _twice(folder):
    table = pd.read_csv(folder / "test.csv", dtype={"id": str})
    pd.concat([table, table[:1]]).to_csv(folder / "test.csv", index=False)


@pytest.mark.parametrize(
    "damage, message",
    [
        (_unknown_lead, r"test.csv: expected leads.*\['V7'\]"),
        (_fewer_rows, "differ in .* ids, such as '00"),
        (_twice, "'000 I' is there twice"),
        (lambda f: (f / "test.csv").unlink(), "test.csv does not exist"),
        (lambda f: (f / "submission.csv").touch(), "submission.csv exists"),
    ],
)
def test_a_wrong_folder_is_refused_by_name(model, folder, damage, message):
    damage(folder)
    with pytest.raises(InputError, match=message):
        submit(_config(model, folder))


def test_another_suffix_and_a_missing_model_are_refused(model, folder):
    with pytest.raises(InputError, match=".csv or .parquet.*s.txt"):
        submit(_config(model, folder, output="s.txt"))
    with pytest.raises(InputError, match="no model was given"):
        submit(_config(model, folder, model=()))
    with pytest.raises(InputError, match="no data folder at .*nowhere"):
        submit(_config(model, folder, data_dir="nowhere"))


def test_an_image_whose_file_is_damaged_is_read_and_reported(model, folder):
    pytest.importorskip("simplejpeg", reason="simplejpeg is not installed")
    image = next((folder / "test").glob("*.png"))
    with Image.open(image) as picture:
        picture.convert("RGB").save(image, "JPEG", quality=95)
    data = image.read_bytes()
    middle = len(data) // 2
    image.write_bytes(data[:middle] + data[middle + 1000 :])
    (name, said), *others = submit(_config(model, folder)).items()
    assert name == image.stem and not others
    assert said.startswith("doubtful: its file is damaged: Corrupt JPEG")
    rows = pd.read_csv(folder / "submission.csv")
    assert rows[rows["id"].str.startswith(f"{name}_")]["value"].any()


def test_a_second_submit_to_the_same_file_is_told_and_harms_nothing(
    model, folder, monkeypatch
):
    write, said = submitting._write_part, []

    def meanwhile(*args):
        monkeypatch.setattr(submitting, "_write_part", write)
        with pytest.raises(InputError, match="another process is working"):
            submit(_config(model, folder))
        said.append(True)
        write(*args)

    monkeypatch.setattr(submitting, "_write_part", meanwhile)
    assert submit(_config(model, folder)) == {} and said
    assert not (folder / "submission.csv.parts").exists()


def test_a_model_reads_one_part_at_a_time(tmp_path, model, monkeypatch):
    """Keras gives a model's state away while it predicts."""
    write_test_set(tmp_path, FEWEST_PAGES)
    write, reading, most = submitting._write_part, [], []

    def written(*args):
        reading.append(args)
        most.append(len(reading))
        write(*args)
        reading.pop()

    monkeypatch.setattr("ecg_keras.reading_processes.n_cores", lambda: 2)
    monkeypatch.setattr(submitting, "_write_part", written)
    submit(_config(model, tmp_path))
    assert most == [1] * (FEWEST_PAGES // 2)

"""Both notebooks, from the first cell to the last, without a network."""

import importlib.util
import shutil
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbclient import NotebookClient
from PIL import Image

from ecg_keras.drawing.clean_page import render_page
from ecg_keras.ecg.leads import LEADS, RATE_HZ
from ecg_keras.ecg.records import read_records
from ecg_keras.ecg.resampling import from_grid
from ecg_keras.ecg.synthesis import simulate
from ecg_keras.page.images import resize
from tests.test_submit import write_test_set

ROOT = Path(__file__).parents[1]
FLAGS = (
    "--encoder tiny --weights none --image-size 32 32 "
    "--head-units 4 --epochs 1 --batch-size 2 --cache-dir {cache}"
)
# train.py, as it is, with an encoder that does not have to be waited for.
TRAIN = """
import runpy, sys
sys.path.insert(0, {root!r})
from ecg_keras.models.architectures import ENCODERS
from tests.tiny import TINY_ENCODER
ENCODERS["tiny"] = TINY_ENCODER
runpy.run_path({root!r} + "/train.py", run_name="__main__")
"""


def _run(name, folder):
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": str(folder)}}
    ).execute()
    return "".join(
        output.get("text", "") or str(output.get("data", ""))
        for cell in notebook.cells
        for output in cell.get("outputs", [])
    )


# Jupyter's own.
JUPYTER = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::UserWarning"
)


@JUPYTER
@pytest.mark.slow
def test_a_model_is_trained_exported_and_submitted(tmp_path, monkeypatch):
    data, run = tmp_path / "data", tmp_path / "working"
    write_test_set(data, 5)
    run.mkdir()
    code = tmp_path / "code"
    code.mkdir()
    (code / "train.py").write_text(TRAIN.format(root=str(ROOT)))
    shutil.copy(ROOT / "export.py", code)
    # torch compiles nothing.
    has_torch = importlib.util.find_spec("torch") is not None
    monkeypatch.setenv("KERAS_BACKEND", "torch" if has_torch else "jax")
    monkeypatch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
    monkeypatch.setenv("ECG_KERAS_CODE", str(code))
    monkeypatch.setenv("ECG_KERAS_DATA", str(data))
    monkeypatch.setenv("ECG_KERAS_RUN", str(run))
    flags = FLAGS.format(cache=tmp_path / "cache")
    monkeypatch.setenv("ECG_KERAS_TRAIN_FLAGS", flags)
    said = _run("kaggle_train", run)
    assert "4 training, 1 validation" in said
    assert (run / "model" / "best_model.keras").is_file(), said
    assert (run / "export" / "dataset-metadata.json").is_file(), said

    shutil.move(run / "export", tmp_path / "input-model")
    monkeypatch.setenv("ECG_KERAS_MODEL", str(tmp_path / "input-model"))
    said = _run("kaggle_inference", run)
    n_rows = sum(
        int(line.rsplit(",", 1)[1])
        for line in (data / "test.csv").read_text().splitlines()[1:]
    )
    assert f"wrote {n_rows} rows of 5 records" in said
    assert len(list((run / "pages").glob("*.png"))) == 2
    assert "(2, 12, 5000)" in said and "(1, 12, 5000)" in said


@JUPYTER
@pytest.mark.slow
def test_the_packaged_reader_submits_without_an_export(tmp_path, monkeypatch):
    data = tmp_path / "data"
    write_test_set(data, 1)
    # A page that the packaged reader knows, in place of a tiny picture.
    (record,) = read_records(data)
    signals_mv = simulate(np.random.default_rng(0))
    page = render_page(from_grid(signals_mv, RATE_HZ), RATE_HZ)
    page = resize(page, page.shape[0] // 2, page.shape[1] // 2)
    Image.fromarray(page).save(data / "test" / f"{record.id}.png")
    monkeypatch.setenv("ECG_KERAS_CODE", str(ROOT))
    monkeypatch.setenv("ECG_KERAS_DATA", str(data))
    monkeypatch.setenv("ECG_KERAS_RUN", str(tmp_path))
    monkeypatch.setenv("ECG_KERAS_MODEL", str(tmp_path / "nothing-attached"))
    said = _run("kaggle_inference", tmp_path)
    assert "rows of 1 records" in said and "(1, 12, 5000)" in said
    table = pd.read_csv(tmp_path / "submission.csv")
    of_ii = table["id"].str.match(rf"{record.id}_\d+_II$")
    expected = from_grid(signals_mv, record.rate_hz)[LEADS.index("II")]
    found = table["value"][of_ii].to_numpy()
    assert np.corrcoef(found, expected)[0, 1] > 0.98

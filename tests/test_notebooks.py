"""Both notebooks, from the first cell to the last, without a network."""

import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.test_submit import write_test_set

ROOT = Path(__file__).parents[1]
FLAGS = (
    "--encoder efficientnet_b0 --weights none --image-size 32 32 "
    "--head-units 4 --epochs 1 --batch-size 2 --cache-dir {cache}"
)


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
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_a_model_is_trained_exported_and_submitted(tmp_path, monkeypatch):
    data, run = tmp_path / "data", tmp_path / "working"
    write_test_set(data, 5)
    run.mkdir()
    # EfficientNet compiles fastest on torch.
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.setenv("ECG_KERAS_CODE", str(ROOT))
    monkeypatch.setenv("ECG_KERAS_DATA", str(data))
    monkeypatch.setenv("ECG_KERAS_RUN", str(run))
    flags = FLAGS.format(cache=tmp_path / "cache")
    monkeypatch.setenv("ECG_KERAS_TRAIN_FLAGS", flags)
    said = _run("kaggle_train", run)
    assert "4 training, 1 validation" in said or "training" in said
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

"""The page reader as one program: it needs no Keras and answers the same."""

import json
import subprocess
import sys
import zipfile

import cv2
import numpy as np
import pandas as pd
import pytest

from ecg_keras.errors import InputError
from ecg_keras.exporting import export as exporting
from ecg_keras.exporting import portable_reader, reader_export
from ecg_keras.exporting.export import ExportConfig, export, parity_pages
from ecg_keras.page_reader import load_page_reader

FORMATS = ("onnx",) if exporting.keras_writes_onnx() else ()
# Runs a program where importing any of these is an error.
_WITHOUT_KERAS = """
import runpy, sys
sys.modules.update(dict.fromkeys(["keras", "keras_hub", "ecg_keras", "jax"]))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def page():
    return parity_pages()[0]


@pytest.fixture(scope="module")
def exported(tmp_path_factory, page):
    """The reader in all formats, compared on one page."""
    folder = tmp_path_factory.mktemp("out") / "export"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader_export, "parity_page", lambda: page[::2, ::2])
        export(ExportConfig(("reader",), str(folder), FORMATS))
    return folder


@pytest.mark.slow
@pytest.mark.floor
def test_the_program_reads_pages_without_keras(exported, page, tmp_path):
    pages = [tmp_path / name for name in ("a.png", "grey.png", "gone.png")]
    cv2.imwrite(str(pages[0]), np.ascontiguousarray(page[..., ::-1]))
    cv2.imwrite(str(pages[1]), np.full((300, 400, 3), 128, np.uint8))
    done = subprocess.run(
        [sys.executable, "-P", "-c", _WITHOUT_KERAS, exported / "reader.pyz",
         *pages, "--output-dir", tmp_path / "out"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    said = done.stdout.splitlines()
    assert said[0] == f"good: {pages[0]}"
    assert said[1].startswith(f"refused: {pages[1]}: no grid")
    assert "gone.png does not exist" in said[2]
    assert not list((tmp_path / "out").glob("g*.csv"))
    expected = load_page_reader().read(page).digitized
    found = json.loads((tmp_path / "out" / "a.json").read_text())
    summary = expected.summary()
    box = pytest.approx(summary["traces_box"], abs=1e-6)
    assert found == json.loads(json.dumps(summary)) | {"traces_box": box}
    table = pd.read_csv(tmp_path / "out" / "a.csv")
    signals_mv = table.iloc[:, 1:].to_numpy().T
    np.testing.assert_allclose(signals_mv, expected.signals_mv, atol=1e-3)


@pytest.mark.slow
@pytest.mark.floor
def test_every_format_agrees_and_is_listed(exported):
    summary = json.loads((exported / "export.json").read_text())
    assert set(summary["parity"]) == {"saved_model", *FORMATS}
    for parity in summary["parity"].values():
        assert parity["agreement_db"] > 60
        assert parity["max_difference_mv"] < 1e-3
        assert set(parity["outputs"]) == {
            f"{k} {name}" for k in (0, 1) for name in ("signals", "std_mv")
        }
    assert {"reader.pyz", "saved_model/saved_model.pb"} <= set(summary["files"])


def test_the_program_holds_geometry_and_no_network(tmp_path):
    reader_export.write_program(tmp_path / "reader.pyz")
    with zipfile.ZipFile(tmp_path / "reader.pyz") as archive:
        names = set(archive.namelist())
        text = b"".join(archive.read(n) for n in names if n.endswith(".py"))
    assert {"__main__.py", "ecg_reader/registration/register.py"} <= names
    assert not [name for name in names if "weights" in name]
    assert b"from ecg_keras" not in text


def test_formats_that_hold_no_reader_are_refused(tmp_path):
    config = ExportConfig(("reader",), str(tmp_path / "x"), ("litert",), True)
    with pytest.raises(InputError, match="Received: litert --half"):
        export(config)
    assert not (tmp_path / "x").exists()


def test_a_folder_without_networks_is_told(tmp_path):
    with pytest.raises(
        InputError, match="expected onnx or saved_model.*neithe"
    ):
        portable_reader.load(tmp_path)


def test_rows_longer_than_any_decoder_are_an_error():
    networks = portable_reader._networks(
        lambda name: ((1, 800, None, 3), lambda x: [x[:, 0], x[:, 0]])
    )
    height_mm, std_mv = networks.likely_path(np.ones((400, 1300)))
    assert height_mm.shape == std_mv.shape == (1300,)
    with pytest.raises(
        InputError, match="up to 10000 samples. Received: 10001"
    ):
        networks.likely_path(np.ones((400, 10001)))


def test_words_and_shapes_that_differ_are_told():
    reference = {"0 layout": np.array("3x4"), "0 signals": np.ones((2, 3))}
    same = exporting._compared("onnx", reference, dict(reference))
    assert same["max_difference_mv"] == 0
    for other, message in (
        ({"0 layout": np.array("6x2")}, "layout is 6x2, expected 3x4"),
        ({"0 signals": np.ones((2, 4))}, "of shape .2, 3.* Received: .2, 4"),
        ({"0 signals": np.zeros((2, 3))}, "in 0 signals is -?0.0 dB"),
    ):
        with pytest.raises(InputError, match=message):
            exporting._compared("onnx", reference, {**reference, **other})

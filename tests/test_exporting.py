"""Exports: each format answers as its model does, or is not kept."""

import hashlib
import importlib
import json
import sys

import keras
import numpy as np
import pytest

import ecg_keras
from ecg_keras.ecg.leads import LEADS
from ecg_keras.errors import InputError
from ecg_keras.exporting import export as exporting
from ecg_keras.exporting.export import (
    ExportConfig,
    agreement_db,
    export,
)
from ecg_keras.exporting.running import error_line
from ecg_keras.exporting.writers import write_onnx
from ecg_keras.page.images import resize
from tests.models import build_judging, build_tiny

needs_onnx = pytest.mark.skipif(
    not exporting.keras_writes_onnx(), reason="Keras is too old to make ONNX"
)
# The programs of `exporting.standalone`.
PROGRAMS = {
    "saved_model": "saved_model",
    "onnx": "onnx_file",
    "litert": "litert",
}
FORMATS = ("onnx", "litert") if exporting.keras_writes_onnx() else ("litert",)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Two models with all outputs of a tracer."""
    folder = tmp_path_factory.mktemp("models")
    for seed, name in enumerate("ab"):
        build_judging(seed).save(folder / f"{name}.keras")
    return [str(folder / "a.keras"), str(folder / "b.keras")]


@pytest.fixture(scope="module")
def exported(models, tmp_path_factory):
    """An ensemble of two in all formats."""
    folder = tmp_path_factory.mktemp("out") / "export"
    export(
        ExportConfig(
            tuple(models),
            str(folder),
            FORMATS,
            kaggle_dataset="someone/ecg-model",
        )
    )
    return folder


@pytest.fixture(scope="module")
def pages():
    """Pages of any size; the last two have the model's.

    Another way to resize would change what a model judges by.
    """
    rng = np.random.default_rng(0)
    sizes = ((90, 120), (30, 80), (20, 20), (40, 56), (40, 56))
    return [rng.integers(0, 256, (*size, 3), np.uint8) for size in sizes]


@pytest.fixture(scope="module")
def expected(models, pages):
    return ecg_keras.load(models).read(pages)


def _answers(name, path, pages, folder):
    """As `run_format`, in this process: TensorFlow takes long to start.

    `export` ran each format in a process of its own.
    """
    before = dict(sys.modules)
    program = importlib.import_module(
        f"ecg_keras.exporting.standalone.{PROGRAMS[name]}"
    )
    # One of them forbids Keras; here it is in use.
    sys.modules.update(before)
    if name != "saved_model":
        pages = [resize(page, 40, 56).astype(np.float32) for page in pages]
    np.savez(folder / "in.npz", *pages)
    program.main(str(path), folder / "in.npz", folder / "out.npz")
    with np.load(folder / "out.npz") as answers:
        return dict(answers)


@pytest.mark.slow
@pytest.mark.floor
@pytest.mark.parametrize("name", ["saved_model", *FORMATS])
def test_every_format_answers_as_its_models_do(
    exported, expected, pages, tmp_path, name
):
    path = exported / exporting.FILES[name]
    found = _answers(name, path, pages, tmp_path)
    assert expected.signals_mv.std() > 0.1
    assert agreement_db(expected.signals_mv, found["signals"]) > 60
    assert agreement_db(expected.std_mv, found["std_mv"]) > 60
    judged = expected.layout_found[3:]
    np.testing.assert_allclose(
        found["layout_found"][3:], judged, rtol=1e-3, atol=1e-5
    )
    assert judged.std() > 1e-3


@pytest.mark.slow
def test_the_export_is_a_model_again(exported, expected, pages):
    found = ecg_keras.load(exported).read(pages)
    for name in ("signals_mv", "std_mv", "layout_found"):
        np.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), rtol=1e-4, atol=1e-4
        )


@pytest.mark.slow
def test_the_summary_says_what_it_is(exported):
    summary = json.loads((exported / "export.json").read_text())
    assert summary["ecg_keras"] == ecg_keras.__version__
    assert summary["leads"] == list(LEADS)
    assert (summary["unit"], summary["rate_hz"]) == ("mV", 500)
    assert summary["models"] == 2
    assert summary["output"] == {
        "signals": ["batch", 12, 5000],
        "std_mv": ["batch", 12, 5000],
        "layout_found": ["batch"],
    }
    assert summary["parity"].keys() == {"saved_model", *FORMATS}
    for parity in summary["parity"].values():
        assert parity["agreement_db"] > 60 and parity["pages"] == 3
        assert parity["outputs"].keys() == summary["output"].keys()
    for name, entry in summary["files"].items():
        data = (exported / name).read_bytes()
        assert entry["bytes"] == len(data)
        assert entry["sha256"] == hashlib.sha256(data).hexdigest()
    files = {exporting.FILES[name] for name in FORMATS}
    assert {"model.keras", *files} < set(summary["files"])
    metadata = json.loads((exported / "dataset-metadata.json").read_text())
    assert metadata["id"] == "someone/ecg-model"


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A model that gives signals alone."""
    path = tmp_path_factory.mktemp("plain") / "plain.keras"
    build_tiny(0).save(path)
    return str(path)


@pytest.mark.slow
def test_half_the_size_costs_little(plain, tmp_path, pages):
    summary = export(ExportConfig((plain,), str(tmp_path / "half"), half=True))
    assert summary["output"] == {"signals": ["batch", 12, 5000]}
    whole = ecg_keras.load(plain)
    path = tmp_path / "half" / "saved_model"
    found = _answers("saved_model", path, pages, tmp_path)["signals"]
    assert 40 < agreement_db(whole.predict(pages), found) < 110
    size = sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
    weights = 4 * whole.model.count_params()
    assert size < 0.7 * weights
    assert summary["parity"]["saved_model"]["half"]


@pytest.mark.slow
@needs_onnx
@pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="ONNX is written by JAX"
)
@pytest.mark.filterwarnings("ignore")  # of what converts
def test_onnx_has_signals_alone_where_the_model_has(plain, tmp_path, pages):
    whole = ecg_keras.load(plain)
    write_onnx(whole, tmp_path / "plain.onnx")
    found = _answers("onnx", tmp_path / "plain.onnx", pages, tmp_path)
    assert found.keys() == {"signals"}
    assert agreement_db(whole.predict(pages), found["signals"]) > 60


@pytest.mark.slow
@pytest.mark.parametrize(
    "output, message",
    [
        ("signals", "saved_model disagrees .* in signals .* deleted"),
        ("std_mv", "saved_model disagrees .* in std_mv .* deleted"),
        ("layout_found", "saved_model disagrees .* in layout_found .* deleted"),
        (
            None,
            "other outputs .* layout_found, signals, std_mv. Received: sign",
        ),
    ],
)
def test_a_format_that_disagrees_in_any_output_is_deleted(
    models, pages, tmp_path, monkeypatch, output, message
):
    model = models[0]
    predictor = ecg_keras.load(model)
    monkeypatch.setattr(exporting, "parity_pages", lambda: pages)
    true = exporting.answers_of(predictor, predictor.model, pages)
    wrong = dict(true)
    if output:
        wrong[output] = true[output] + 0.1 * np.abs(true[output]).max()
    else:
        wrong = {"signals": true["signals"]}
    monkeypatch.setattr(exporting, "_convert", lambda *args: None)
    monkeypatch.setattr(exporting, "run_format", lambda *args: wrong)
    with pytest.raises(InputError, match=message):
        export(ExportConfig((model,), str(tmp_path / "out")))
    assert list(tmp_path.iterdir()) == []


def test_a_keras_that_makes_no_onnx_says_so_before_it_writes(
    models, tmp_path, monkeypatch
):
    monkeypatch.setattr(keras, "version", lambda: "3.13.2")
    with pytest.raises(InputError, match="Keras 3.14 or newer.*3.13.2"):
        export(ExportConfig((models[0],), str(tmp_path / "out"), ("onnx",)))
    assert list(tmp_path.iterdir()) == []


@needs_onnx
def test_formats_of_one_backend_are_written_by_one_process(
    models, tmp_path, monkeypatch
):
    started = []
    monkeypatch.setattr(
        exporting,
        "_convert",
        lambda backend, names, *args: started.append((backend, names)),
    )
    monkeypatch.setattr(exporting, "run_format", lambda *args: {})
    with pytest.raises(InputError, match="other outputs"):
        export(
            ExportConfig(
                (models[0],), str(tmp_path / "out"), ("onnx", "litert")
            )
        )
    assert started == [
        ("tensorflow", ["saved_model", "litert"]),
        ("jax", ["onnx"]),
    ]


def test_a_conversion_that_fails_leaves_nothing(models, tmp_path, monkeypatch):
    monkeypatch.setitem(exporting.WRITERS, "saved_model", ("nonsense", None))
    with pytest.raises(InputError, match="saved_model could not be written"):
        export(ExportConfig((models[0],), str(tmp_path / "out")))
    assert list(tmp_path.iterdir()) == []


def test_agreement_is_signal_over_difference():
    signal = np.array([3.0, -4.0])
    assert agreement_db(signal, signal * 1.01) == pytest.approx(40)
    assert agreement_db(signal, signal) == pytest.approx(200)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"model": ()}, "--model is missing"),
        ({"output_dir": None}, "--output-dir is missing"),
        ({"kaggle_dataset": "name"}, "OWNER/NAME.*name"),
        ({"model": ("nowhere",)}, "nowhere does not exist"),
    ],
)
def test_settings_that_cannot_work_are_named(tmp_path, changes, message):
    settings = {"model": ("m",), "output_dir": str(tmp_path / "out")}
    with pytest.raises(InputError, match=message):
        export(ExportConfig(**{**settings, **changes}))


def test_a_folder_with_something_in_it_is_refused(models, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is not empty"):
        export(ExportConfig((models[0],), str(tmp_path)))


def test_of_a_process_that_failed_the_error_is_named():
    traceback = (
        "  File 'a.py', line 3\nTypeError: two words\nmore of it\n"
        "--------------------\nFor simplicity, JAX has removed its frames"
    )
    assert error_line(traceback) == "TypeError: two words"
    assert error_line("x\nerror: no such file") == "error: no such file"
    assert error_line("killed") == "killed" and error_line("") == "no message"


@pytest.mark.slow
def test_the_tracer_answers_alike_in_every_format(tmp_path, monkeypatch):
    # A page takes each format and Keras some seconds.
    monkeypatch.setattr(exporting, "N_PARITY_PAGES", 1)
    summary = export(
        ExportConfig(("tracer",), str(tmp_path / "tracer"), FORMATS[:-1])
    )
    assert summary["parity"].keys() == {"saved_model", *FORMATS[:-1]}
    for parity in summary["parity"].values():
        assert parity["max_difference_mv"] < 1e-3

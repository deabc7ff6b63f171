"""Exports: each format answers as its model does, or is not kept."""

import hashlib
import json

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
    run_format,
)
from ecg_keras.exporting.running import error_line
from tests.models import build_judging, build_tiny


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    build_tiny(0).save(folder / "a.keras")
    build_tiny(1).save(folder / "b.keras")
    return [str(folder / "a.keras"), str(folder / "b.keras")]


@pytest.fixture(scope="module")
def exported(models, tmp_path_factory):
    """An ensemble of two in all formats."""
    folder = tmp_path_factory.mktemp("out") / "export"
    export(
        ExportConfig(
            tuple(models),
            str(folder),
            ("onnx", "litert"),
            kaggle_dataset="someone/ecg-model",
        )
    )
    return folder


@pytest.fixture(scope="module")
def pages():
    rng = np.random.default_rng(0)
    sizes = ((90, 120), (40, 56), (30, 80), (20, 20))
    return [rng.integers(0, 256, (*size, 3), np.uint8) for size in sizes]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["saved_model", "onnx", "litert"])
def test_every_format_answers_as_its_models_do(exported, models, pages, name):
    expected = ecg_keras.load(models).predict(pages)
    path = exported / exporting.FILES[name]
    found = run_format(name, path, pages, (40, 56))["signals"]
    assert expected.std() > 0.1
    assert agreement_db(expected, found) > 60


@pytest.mark.slow
def test_the_export_is_a_model_again(exported, models, pages):
    np.testing.assert_allclose(
        ecg_keras.load(exported).predict(pages),
        ecg_keras.load(models).predict(pages),
        rtol=1e-4,
        atol=1e-4,
    )


@pytest.mark.slow
def test_the_summary_says_what_it_is(exported):
    summary = json.loads((exported / "export.json").read_text())
    assert summary["ecg_keras"] == ecg_keras.__version__
    assert summary["leads"] == list(LEADS)
    assert (summary["unit"], summary["rate_hz"]) == ("mV", 500)
    assert summary["models"] == 2
    assert summary["output"] == {"signals": ["batch", 12, 5000]}
    for parity in summary["parity"].values():
        assert parity["agreement_db"] > 60 and parity["pages"] == 3
    for name, entry in summary["files"].items():
        data = (exported / name).read_bytes()
        assert entry["bytes"] == len(data)
        assert entry["sha256"] == hashlib.sha256(data).hexdigest()
    assert {"model.keras", "model.onnx", "model.tflite"} < set(summary["files"])
    metadata = json.loads((exported / "dataset-metadata.json").read_text())
    assert metadata["id"] == "someone/ecg-model"


@pytest.mark.slow
def test_half_the_size_costs_little(exported, models, tmp_path, pages):
    summary = export(
        ExportConfig((models[0],), str(tmp_path / "half"), half=True)
    )
    whole = ecg_keras.load(models[0])
    path = tmp_path / "half" / "saved_model"
    found = run_format("saved_model", path, pages, (40, 56))["signals"]
    assert 40 < agreement_db(whole.predict(pages), found) < 110
    size = sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
    weights = 4 * whole.model.count_params()
    assert size < 0.7 * weights
    assert summary["parity"]["saved_model"]["half"]


@pytest.fixture(scope="module")
def judging(tmp_path_factory):
    """A model with all outputs of a tracer, exported in all formats."""
    folder = tmp_path_factory.mktemp("judging")
    build_judging(0).save(folder / "judging.keras")
    model, output = str(folder / "judging.keras"), folder / "export"
    return export(
        ExportConfig((model,), str(output), ("onnx", "litert"))
    ), output


@pytest.mark.slow
def test_the_summary_names_all_outputs(judging):
    summary, _ = judging
    assert summary["output"] == {
        "signals": ["batch", 12, 5000],
        "std_mv": ["batch", 12, 5000],
        "layout_found": ["batch"],
    }
    for parity in summary["parity"].values():
        assert parity["outputs"].keys() == summary["output"].keys()
        assert parity["agreement_db"] > 60


@pytest.mark.slow
@pytest.mark.parametrize("name", ["saved_model", "onnx", "litert"])
def test_every_output_is_answered_by_its_name(judging, name):
    _, folder = judging
    # Of the model's size: another way to resize would change what it judges.
    rng = np.random.default_rng(1)
    pages = list(rng.integers(0, 256, (3, 40, 56, 3), np.uint8))
    expected = ecg_keras.load(folder).read(pages)
    found = run_format(name, folder / exporting.FILES[name], pages, (40, 56))
    np.testing.assert_allclose(
        found["layout_found"], expected.layout_found, rtol=1e-3, atol=1e-5
    )
    assert agreement_db(expected.signals_mv, found["signals"]) > 60
    assert agreement_db(expected.std_mv, found["std_mv"]) > 60
    assert expected.layout_found.std() > 1e-3


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
    judging, tmp_path, monkeypatch, output, message
):
    _, folder = judging
    model = folder / "model.keras"
    predictor = ecg_keras.load(model)
    true = exporting.answers_of(
        predictor, predictor.model, exporting.parity_pages()
    )
    wrong = dict(true)
    if output:
        wrong[output] = true[output] + 0.1 * np.abs(true[output]).max()
    else:
        wrong = {"signals": true["signals"]}
    monkeypatch.setattr(exporting, "_convert", lambda *args: None)
    monkeypatch.setattr(exporting, "run_format", lambda *args: wrong)
    with pytest.raises(InputError, match=message):
        export(ExportConfig((str(model),), str(tmp_path / "out")))
    assert list(tmp_path.iterdir()) == []


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
def test_the_tracer_answers_alike_in_every_format(tmp_path):
    summary = export(
        ExportConfig(("tracer",), str(tmp_path / "tracer"), ("onnx",))
    )
    for parity in summary["parity"].values():
        assert parity["max_difference_mv"] < 1e-3

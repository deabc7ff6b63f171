"""A trained model to a folder that others can use: `export(ExportConfig())`.

model.keras      for `ecg_keras.load`, without the optimizer
saved_model/     for tf.saved_model.load, with neither Keras nor this package
export.json      what it is, its input contract, checksums, how close it is

Of the page reader, which is more than a network, see `reader_export`.
"""

import dataclasses
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np

from ecg_keras.drawing.clean_page import render_page
from ecg_keras.ecg.leads import LEADS, RATE_HZ
from ecg_keras.ecg.resampling import from_grid
from ecg_keras.ecg.synthesis import simulate
from ecg_keras.errors import InputError
from ecg_keras.exporting import reader_export
from ecg_keras.exporting.running import error_line, run_standalone
from ecg_keras.exporting.writers import WRITERS
from ecg_keras.files import check_output_dir, replacing, write_json
from ecg_keras.models.saving import save_slim
from ecg_keras.packaged import PAGE_READER, is_packaged
from ecg_keras.page.images import resize
from ecg_keras.predictor import (
    EXPORT_FILE,
    EXPORT_SUMMARY,
    EXPORT_VERSION,
    load,
)
from ecg_keras.settings import setting
from ecg_keras.version import __version__

FILES = {
    "saved_model": "saved_model",
    "onnx": "model.onnx",
    "litert": "model.tflite",
}
# Least ratio of signal to difference from the Keras model.
MIN_AGREEMENT_DB = 60.0
MIN_AGREEMENT_HALF_DB = 40.0
N_PARITY_PAGES = 3
# Before, Keras made ONNX of TensorFlow, by a package that wants an old NumPy.
MIN_KERAS_OF_ONNX = (3, 14)


@dataclasses.dataclass(frozen=True)
class ExportConfig:
    """Settings of export.py."""

    model: tuple[str, ...] = setting(
        (),
        "run folder or .keras file, several are averaged; or reader",
        metavar="M",
    )
    output_dir: str | None = setting(None, "new folder to write")
    format: tuple[str, ...] = setting(
        (), "more formats to write", choices=("onnx", "litert")
    )
    half: bool = setting(
        False, "store the SavedModel's large weights in 16 bits"
    )
    kaggle_dataset: str | None = setting(
        None,
        "OWNER/NAME: also write what `kaggle datasets create` needs",
        metavar="OWNER/NAME",
    )


def export(config):
    """Export a model; every format is compared with it, and kept if it agrees.

    Args:
        config: an `ExportConfig`.

    Returns:
        dict: what export.json holds.

    Raises:
        InputError: a setting or the model is no good, packages are missing, or
            a format disagrees; nothing is written then.
    """
    output_dir = _check(config)
    if config.model == (PAGE_READER,) and is_packaged(PAGE_READER):
        return _export_reader(config, output_dir)
    predictor = load(config.model)
    model = predictor.model
    formats = ("saved_model", *dict.fromkeys(config.format))
    with replacing(output_dir) as partial:
        partial.mkdir()
        save_slim(model, partial / EXPORT_FILE)
        pages = parity_pages()
        reference = answers_of(predictor, model, pages)
        for backend in dict.fromkeys(WRITERS[name][0] for name in formats):
            names = [name for name in formats if WRITERS[name][0] == backend]
            files = [FILES[name] for name in names]
            print(f"writing {', '.join(files)}", flush=True)
            _convert(backend, names, partial, config.half)
        parity = {}
        for name in formats:
            parity[name] = _parity(
                name,
                partial / FILES[name],
                pages,
                reference,
                predictor.image_size,
                config.half,
            )
            least = parity[name]["agreement_db"]
            print(f"{FILES[name]} agrees to {least:.0f} dB")
        summary = _summary(config, predictor, model, partial, parity)
        write_json(summary, partial / EXPORT_SUMMARY)
        if config.kaggle_dataset:
            _write_kaggle_metadata(partial, config.kaggle_dataset)
    print(f"exported to {output_dir}")
    return summary


def _export_reader(config, output_dir):
    """Export the page reader; see `export`."""
    formats = ("saved_model", *dict.fromkeys(config.format))
    writers = reader_export.WRITERS
    others = [name for name in formats if name not in writers]
    others += ["--half"] if config.half else []
    if others:
        raise InputError(
            f"expected the formats {' and '.join(writers)} for the model "
            f"{PAGE_READER}, in 32 bits. Received: {' '.join(others)}"
        )
    with replacing(output_dir) as partial:
        partial.mkdir()
        program = partial / reader_export.PROGRAM
        reader_export.write_program(program)
        pages = [parity_pages()[0], reader_export.parity_page()]
        reference = reader_export.readings_of(pages)
        parity = {}
        for name in formats:
            print(f"writing {name}", flush=True)
            module = "ecg_keras.exporting.reader_writers"
            path = partial / name
            _run_writer(writers[name], [module, name, str(path)], [path])
            found = run_standalone("reader", path, pages)
            parity[name] = _compared(name, reference, found)
            print(f"{name} agrees to {parity[name]['agreement_db']:.0f} dB")
        summary = {
            "export_version": EXPORT_VERSION,
            "ecg_keras": __version__,
            "model": PAGE_READER,
            "leads": list(LEADS),
            "unit": "mV",
            "rate_hz": RATE_HZ,
            "output": {"signals_mv": [len(LEADS), "samples shown"]},
            "input": "uint8 (any H, any W, 3) RGB",
            "parity": parity,
            "files": _files(partial),
        }
        write_json(summary, partial / EXPORT_SUMMARY)
        if config.kaggle_dataset:
            _write_kaggle_metadata(partial, config.kaggle_dataset)
    print(f"exported to {output_dir}")
    return summary


def parity_pages():
    """Pages on which formats are compared: simulated ECGs, (H, W, 3) uint8."""
    pages = []
    for seed in range(N_PARITY_PAGES):
        signals_mv = simulate(np.random.default_rng(seed))
        pages.append(render_page(from_grid(signals_mv, RATE_HZ), RATE_HZ))
    return pages


def agreement_db(reference, found):
    """Power of a reference over that of the difference from it, in dB."""
    reference, found = (np.asarray(x, np.float64) for x in (reference, found))
    difference = np.mean((reference - found) ** 2)
    power = max(np.mean(reference**2), np.finfo(float).tiny)
    return float(10 * np.log10(power / max(difference, power * 1e-20)))


def answers_of(predictor, model, pages):
    """What a Keras model answers: name of each of its outputs -> array."""
    reading = predictor.read(pages)
    found = {
        "signals": reading.signals_mv,
        "std_mv": reading.std_mv,
        "layout_found": reading.layout_found,
    }
    return {name: found[name] for name in output_shapes(model)}


def output_shapes(model):
    """Name of each output of a model -> its shape without the batch."""
    outputs = model.output
    if not isinstance(outputs, dict):
        outputs = {"signals": outputs}
    return {name: tuple(output.shape[1:]) for name, output in outputs.items()}


def run_format(name, path, pages, image_size):
    """Answers of an exported model, without Keras.

    Args:
        name: "saved_model", "onnx" or "litert".
        path: its file or folder.
        pages: list of (H, W, 3) uint8 images.
        image_size: (H, W) that the model wants.

    Returns:
        dict: name of each output -> array (n, ...) float32; `signals` is
        (n, 12, 5000) mV.
    """
    if name != "saved_model":
        pages = [resize(page, *image_size).astype(np.float32) for page in pages]
    return run_standalone(name, path, pages)


def _parity(name, path, pages, reference, image_size, half):
    """How close a format's outputs are to the Keras model's, each of them."""
    found = run_format(name, path, pages, image_size)
    if found.keys() != reference.keys():
        raise InputError(
            f"{name} has other outputs than the Keras model: expected "
            f"{', '.join(sorted(reference))}. Received: "
            f"{', '.join(sorted(found))}. It was deleted"
        )
    halved = half and name == "saved_model"
    least = MIN_AGREEMENT_HALF_DB if halved else MIN_AGREEMENT_DB
    return {
        **_compared(name, reference, found, least),
        "pages": len(pages),
        "half": halved,
    }


def _compared(name, reference, found, least=MIN_AGREEMENT_DB):
    """How close outputs are to those of the Keras model, each of them."""
    outputs = {}
    for key, expected in reference.items():
        if expected.dtype.kind == "U":  # words
            if found[key] != expected:
                raise InputError(
                    f"{name} disagrees with the Keras model: {key} is "
                    f"{found[key]}, expected {expected}. It was deleted"
                )
            continue
        if found[key].shape != expected.shape:
            raise InputError(
                f"{name} disagrees with the Keras model: expected {key} of "
                f"shape {expected.shape}. Received: {found[key].shape}. It was "
                "deleted"
            )
        shown = np.isfinite(expected)
        own = found[key][shown]
        agreement = agreement_db(expected[shown], own)
        # False of NaN, too.
        if not agreement >= least:
            raise InputError(
                f"{name} disagrees with the Keras model: power over that of "
                f"the difference in {key} is {agreement:.1f} dB, expected "
                f"{least:.0f} or more. It was deleted"
            )
        outputs[key] = {
            "agreement_db": round(agreement, 2),
            "max_difference": float(np.abs(own - expected[shown]).max()),
        }
    return {
        "agreement_db": min(x["agreement_db"] for x in outputs.values()),
        "max_difference_mv": max(
            x["max_difference"]
            for key, x in outputs.items()
            if "signals" in key
        ),
        "outputs": outputs,
    }


def keras_writes_onnx():
    """Whether this version of Keras makes ONNX of JAX."""
    version = tuple(map(int, keras.version().split(".")[:2]))
    return version >= MIN_KERAS_OF_ONNX


def _check(config):
    if not config.model:
        raise InputError("--model is missing: a run's folder or a .keras file")
    output_dir = check_output_dir(config.output_dir).resolve()
    if "onnx" in config.format and not keras_writes_onnx():
        least = ".".join(map(str, MIN_KERAS_OF_ONNX))
        raise InputError(
            f"expected Keras {least} or newer for --format onnx. Received: "
            f"{keras.version()}. Export the same model file where Keras is "
            "newer, or use the SavedModel"
        )
    name = config.kaggle_dataset
    if name and not re.fullmatch(r"[\w-]+/[\w-]{6,50}", name):
        raise InputError(
            "expected --kaggle-dataset OWNER/NAME with a name of 6 to 50 "
            f"letters, digits and hyphens. Received: {name}"
        )
    return output_dir


def _convert(backend, formats, folder, half):
    """Write formats in one process, of the backend that they want."""
    command = ["ecg_keras.exporting.writers"]
    command += [str(folder / EXPORT_FILE), *(["--half"] if half else [])]
    for name in formats:
        command += ["--format", name, str(folder / FILES[name])]
    paths = [folder / FILES[name] for name in formats]
    _run_writer(backend, command, paths)


def _run_writer(backend, command, paths):
    """Run a module that writes files, or say which it did not write."""
    # Conversion needs no accelerator, and must not take it from this process.
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "CUDA_VISIBLE_DEVICES": "",
        "JAX_PLATFORMS": "cpu",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    done = subprocess.run(
        [sys.executable, "-m", *command],
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        missing = [path.name for path in paths if not path.exists()]
        raise InputError(
            f"{(missing or [paths[0].name])[0]} could not be written: "
            f"{error_line(done.stderr)}"
        )


def _summary(config, predictor, model, folder, parity):
    height, width = predictor.image_size
    trained = [_environment(path) for path in config.model]
    return {
        "export_version": EXPORT_VERSION,
        "ecg_keras": __version__,
        "keras": keras.version(),
        "trained_with": trained,
        "models": len(predictor.models),
        "parameters": model.count_params(),
        "leads": list(LEADS),
        "unit": "mV",
        "rate_hz": RATE_HZ,
        "output": {
            name: ["batch", *shape]
            for name, shape in output_shapes(model).items()
        },
        "input": {
            "model.keras": f"image (batch, {height}, {width}, 3), 0..255 RGB",
            "saved_model": "image, uint8 (batch, any H, any W, 3) RGB",
            "model.onnx": f"image, float32 (batch, {height}, {width}, 3) RGB",
            "model.tflite": f"image, float32 (1, {height}, {width}, 3) RGB",
        },
        "parity": parity,
        "files": _files(folder),
    }


def _environment(path):
    """What trained a model: its run's environment and config, if known."""
    found = {}
    for name in ("environment.json", "config.json"):
        file = Path(path) / name
        if file.is_file():
            found[file.stem] = json.loads(file.read_text())
    return found


def _files(folder):
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with open(path, "rb") as stream:
                checksum = hashlib.file_digest(stream, "sha256").hexdigest()
            name = str(path.relative_to(folder))
            files[name] = {"bytes": path.stat().st_size, "sha256": checksum}
    return files


def _write_kaggle_metadata(folder, dataset):
    metadata = {
        "id": dataset,
        "title": dataset.split("/")[1],
        "licenses": [{"name": "other"}],
    }
    write_json(metadata, folder / "dataset-metadata.json")

"""Reads pages of ECGs: a reader that was exported, without Keras.

    python reader.pyz PAGE... --output-dir DIR [--networks FOLDER]

writes PAGE.csv, mV at 500 Hz, and PAGE.json, what was found and how far it is
to be trusted. In a notebook:

    sys.path.insert(0, "reader.pyz")
    import ecg_reader
    reading = ecg_reader.load("FOLDER").read(image)  # uint8 (H, W, 3) RGB
    reading.digitized.signals_mv, reading.digitized.quality

FOLDER is the export: it holds `saved_model`, for TensorFlow, or `onnx`,
for ONNX Runtime. NumPy, SciPy, OpenCV, Pillow and pandas do the rest.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from ecg_keras.ecg.digitized import GOOD, REFUSED
from ecg_keras.ecg.signal_files import signals_table
from ecg_keras.errors import InputError
from ecg_keras.files import write_csv, write_json
from ecg_keras.models.layout.given import Given
from ecg_keras.models.reading.networks import Networks, filled_to, heights_mm
from ecg_keras.page import jpeg_damage
from ecg_keras.page.images import read_image
from ecg_keras.page_reader import NAMES, ROWS, PageReader
from ecg_keras.registration.register import register

SAVED_MODEL, ONNX = "saved_model", "onnx"
# Samples for which decoders are exported: up to 500 mm of a row.
PATH_SAMPLES = (1250, 2500, 5000, 10000)
PATH = "likely_path_{}"


def load(path, given=None):
    """An exported reader.

    Args:
        path: the folder of an export, or the one in it with the networks.
        given: `Given`, what is known of all pages.

    Returns:
        `page_reader.PageReader`.

    Raises:
        InputError: the networks are not there, or nothing that runs them.
    """
    path, missing = Path(path), []
    for name, networks_of in ((ONNX, _onnx), (SAVED_MODEL, _saved_model)):
        folder = path if path.name == name else path / name
        if not folder.is_dir():
            continue
        try:
            return PageReader(networks_of(folder), register, given)
        except ImportError as error:
            missing.append(f"{folder}, which needs {error.name}")
    raise InputError(
        f"{path}: expected {ONNX} or {SAVED_MODEL}, and what runs it. "
        f"Received: {', '.join(missing) or 'neither'}"
    )


def _onnx(folder):
    import onnxruntime

    def part(name):
        session = onnxruntime.InferenceSession(
            str(folder / f"{name}.onnx"), providers=["CPUExecutionProvider"]
        )
        given = session.get_inputs()[0]
        return given.shape, lambda x: session.run(None, {given.name: x})

    return _networks(part)


def _saved_model(folder):
    import tensorflow as tf

    module = tf.saved_model.load(str(folder))

    def part(name):
        run = module.signatures[name]
        (given,) = run.structured_input_signature[1].values()

        def ask(x):
            answer = run(tf.constant(x))
            return [answer[key].numpy() for key in sorted(answer)]

        return given.shape.as_list(), ask

    return _networks(part)


def _networks(part):
    """`Networks` of the parts of an export.

    Args:
        part: function of a name: shape of its input, and a function of an
            array to a list of arrays.
    """
    decoders = {length: part(PATH.format(length))[1] for length in PATH_SAMPLES}

    def likely_path(logits):
        n_samples = logits.shape[1]
        for length in PATH_SAMPLES:
            if n_samples <= length:
                found = decoders[length](filled_to(length, logits))
                return heights_mm(found, n_samples)
        raise InputError(
            f"expected rows of up to {PATH_SAMPLES[-1]} samples. Received: "
            f"{n_samples}"
        )

    return Networks(_Network(*part(ROWS)), likely_path, _Network(*part(NAMES)))


class _Network:
    """An exported network, asked as Keras' are."""

    def __init__(self, input_shape, ask):
        self.input_shape, self.ask = input_shape, ask

    def predict_on_batch(self, x):
        return self.ask(np.asarray(x, np.float32))[0]


def main(arguments=None):
    """Read pages; a bad one never stops the others.

    Returns:
        exit code: 0 if all are good, 3 if some are not, 1 if none was read.
    """
    flags = _parser().parse_args(arguments)
    try:
        given = Given(flags.layout, flags.speed, flags.gain, flags.px_per_mm)
        reader = load(flags.networks, given)
        output_dir = Path(flags.output_dir)
        output_dir.mkdir(parents=True, exist_ok=True)
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    qualities, stems = [], set()
    for page in map(Path, flags.pages):
        # Of two pages with one name the other keeps its suffix.
        stem = page.name if page.stem in stems else page.stem
        stems.add(stem)
        try:
            quality, reasons = _read(reader, page, output_dir / stem)
        except Exception as error:
            quality, reasons = REFUSED, (f"{type(error).__name__}: {error}",)
        qualities.append(quality)
        print(f"{quality}: {page}: {'; '.join(reasons)}".removesuffix(": "))
    if set(qualities) <= {GOOD}:
        return 0
    return 1 if set(qualities) == {REFUSED} else 3


def _read(reader, page, stem):
    """Read a page and write its files; its quality and the reasons."""
    digitized = reader.read(read_image(page)).digitized
    digitized = digitized.doubted(jpeg_damage.damage(page.read_bytes()))
    if digitized.quality != REFUSED:
        table = signals_table(digitized.signals_mv)
        write_csv(table, stem.with_name(f"{stem.name}.csv"))
    write_json(digitized.summary(), stem.with_name(f"{stem.name}.json"))
    return digitized.quality, digitized.reasons


def _parser():
    parser = argparse.ArgumentParser(prog="reader.pyz")
    parser.add_argument("pages", nargs="+", metavar="PAGE")
    parser.add_argument("--output-dir", required=True, metavar="DIR")
    parser.add_argument(
        "--networks",
        default=Path(sys.argv[0]).parent,
        metavar="FOLDER",
        help="the export (default: where this program is)",
    )
    parser.add_argument("--layout", metavar="NAME")
    for name in ("--speed", "--gain", "--px-per-mm"):
        parser.add_argument(name, type=float, metavar="X")
    return parser

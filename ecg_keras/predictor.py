"""Load trained models and turn images into signals.

import ecg_keras
signals_mv = ecg_keras.load().predict(["page.png"])
"""

import dataclasses
import functools
import json
from pathlib import Path

import keras
import numpy as np

from ecg_keras.errors import InputError

# Importing it also registers the layers that a saved model may name.
from ecg_keras.models.saving import RUN_FILE, read_keras_file
from ecg_keras.models.weight_files import read_packaged
from ecg_keras.packaged import (
    DEFAULT_MODEL,
    PRESETS,
    READER,
    READER_MODELS,
    is_packaged,
    refusal,
)
from ecg_keras.page.images import read_resized, resize

EXPORT_FILE = "model.keras"
EXPORT_SUMMARY = "export.json"
# Grows when an export of now cannot be read by the code of before.
EXPORT_VERSION = 1

# How the outputs of an ensemble in one model follow from its members'.
_JOINING = {
    "signals": keras.layers.Average,
    "std_mv": keras.layers.Average,
    "layout_found": keras.layers.Minimum,
}

# A batch by default: 8 images, or as many as hold the pixels of 8 of 512 x 512.
BATCH_SIZE = 8
BATCH_PIXELS = BATCH_SIZE * 512 * 512


@dataclasses.dataclass(frozen=True)
class Reading:
    """What models read in some images.

    Attributes:
        signals_mv: (n, 12, 5000) float32 mV at 500 Hz.
        std_mv: the same shape, how sure each sample is; of several models the
            mean of those that say, NaN where none does.
        layout_found: (n,) 0 to 1, whether an image is a page that the models
            can read; of several models the least, 1 where none says.
        read_by: (n,) str, the name of the model that read each image.
    """

    signals_mv: np.ndarray
    std_mv: np.ndarray
    layout_found: np.ndarray
    read_by: np.ndarray

    @property
    def refused(self):
        """(n,) bool: images that are no page of a layout that can be read."""
        return self.layout_found < 0.5


def load(path=DEFAULT_MODEL):
    """Load a model, or an ensemble, for inference.

    Args:
        path: "reader", which tries the tracer and hands what it refuses to the
            photo tracer; "tracer" or "photo_tracer" alone, which come with the
            package; a `.keras` file; the folder of a training run or of an
            export; or a list of models, whose answers are averaged.

    Returns:
        `Predictor`.

    Raises:
        InputError: there is no model, it is incomplete, or cannot be read.
    """
    paths = path if isinstance(path, (list, tuple)) else [path]
    if not paths:
        raise InputError("no model was given")
    names = [str(p) for p in paths]
    if READER in names and is_packaged(READER):
        if len(names) > 1:
            raise InputError(
                f"the model {READER} chooses between models itself; expected "
                f"{READER} alone. Received: {' '.join(names)}"
            )
        first, second = READER_MODELS
        models = load(first).models
        return Predictor(models, first, fallback=lambda: load(second))
    models = [_load_model(_model_file(Path(p))) for p in paths]
    return Predictor(models, ", ".join(names))


class Predictor:
    """Models and the image sizes that they want.

    Args:
        models: list of keras.Model, `image` (B, H, W, 3), 0..255, to `signals`
            (B, 12, 5000), mV. Several are averaged.
        name: what `Reading.read_by` says.
        fallback: function without arguments that loads another `Predictor`,
            which reads the images that the models refuse. It is called when
            the first image is refused.
    """

    def __init__(self, models, name="", fallback=None):
        self.models = models
        self.name = name
        self._load_fallback = fallback and functools.cache(fallback)

    @property
    def model(self):
        """One keras.Model that does all: an average layer joins several.

        Raises:
            InputError: the models want images of different sizes, or are tried
                one after the other.
        """
        if self._load_fallback:
            raise InputError(
                f"the model {READER} is several models, tried one after the "
                f"other. Expected one of them: {' or '.join(READER_MODELS)}"
            )
        if len(self.models) == 1:
            return self.models[0]
        image = keras.Input((*self.image_size, 3), name="image")
        answers = []
        for index, model in enumerate(self.models, start=1):
            config = {**model.get_config(), "name": f"member_{index}"}
            member = keras.Model.from_config(config)
            member.set_weights(model.get_weights())
            answer = member(image)
            if not isinstance(answer, dict):
                answer = {"signals": answer}
            answers.append(answer)
        outputs = {}
        for name, layer in _JOINING.items():
            given = [answer[name] for answer in answers if name in answer]
            if len(given) > 1:
                given = [layer(dtype="float32", name=name)(given)]
            if given:
                outputs[name] = given[0]
        if list(outputs) == ["signals"]:
            outputs = outputs["signals"]
        return keras.Model(image, outputs, name="ensemble")

    @property
    def image_size(self):
        """(H, W) in px that all models want.

        Raises:
            InputError: the models want images of different sizes.
        """
        sizes = {tuple(model.input_shape[1:3]) for model in self.models}
        if len(sizes) > 1:
            raise InputError(
                "models of an ensemble in one file need one image size. "
                f"Received: {sorted(sizes)}"
            )
        return sizes.pop()

    def predict(self, images, batch_size=None):
        """Signals of some images.

        Args:
            images: see `read`.
            batch_size: see `read`.

        Returns:
            (n, 12, 5000) float32 mV at 500 Hz.

        Raises:
            InputError: an image cannot be read, there is none, or one is no
                page of a layout that the models can read; `read` says what it
                finds in such a page.
        """
        reading = self.read(images, batch_size)
        for image, refused in zip(images, reading.refused, strict=True):
            if refused:
                name = "an image" if isinstance(image, np.ndarray) else image
                raise InputError(refusal(name))
        return reading.signals_mv

    def read(self, images, batch_size=None):
        """Signals of some images, how sure they are, and what was no page.

        Args:
            images: list of file names, or of (H, W, 3) uint8 arrays of any
                sizes, or one array (n, H, W, 3).
            batch_size: images at once; by default 8 of 512 x 512, or one page.

        Returns:
            `Reading`.

        Raises:
            InputError: an image cannot be read, or there is none.
        """
        if isinstance(images, (str, Path)):
            raise TypeError(f"Expected a list of images. Received: {images!r}")
        if not len(images):
            raise InputError("no images were given")
        readings = []
        for model in self.models:
            size = model.input_shape[1:3]
            fitting = BATCH_PIXELS // (size[0] * size[1])
            at_once = batch_size or min(max(fitting, 1), BATCH_SIZE)
            parts = [
                self._answer(model, images[start : start + at_once], at_once)
                for start in range(0, len(images), at_once)
            ]
            readings.append(
                [np.concatenate(x) for x in zip(*parts, strict=True)]
            )
        signals, std, found = (np.stack(x) for x in zip(*readings, strict=True))
        reading = Reading(
            np.mean(signals, axis=0, dtype=np.float32),
            _mean_of_given(std),
            _least_of_given(found),
            np.full(len(images), self.name, object),
        )
        refused = np.flatnonzero(reading.refused)
        if self._load_fallback and len(refused):
            second = self._load_fallback().read(
                [images[index] for index in refused], batch_size
            )
            _take_better(reading, refused, second)
        return reading

    def _answer(self, model, batch, batch_size):
        """(signals, deviations, layout found) of a batch."""
        size = model.input_shape[1:3]
        pixels = np.stack([_pixels(image, size) for image in batch])
        # Batches of one size: JAX compiles once, and the same image gets the
        # same answer wherever it stands.
        missing = batch_size - len(pixels) if len(pixels) > 1 else 0
        padded = np.pad(pixels, [(0, missing), *[(0, 0)] * 3], mode="edge")
        answer = model.predict_on_batch(padded)
        if not isinstance(answer, dict):
            answer = {"signals": answer}
        signals = answer["signals"]
        std = answer.get("std_mv", np.full_like(signals, np.nan))
        found = answer.get("layout_found", np.full(len(padded), np.nan))
        return [x[: len(pixels)] for x in (signals, std, found)]


def _mean_of_given(values):
    """Mean over models of (models, ...), NaN where none gives a value."""
    given = ~np.isnan(values)
    total = np.sum(np.where(given, values, 0), axis=0)
    count = given.sum(axis=0)
    mean = np.where(count, total / np.maximum(count, 1), np.nan)
    return mean.astype(np.float32)


def _least_of_given(found):
    """Least judgement of (models, n); 1 where no model judges.

    A model that does not judge reads anything: it cannot outvote one that
    refuses.
    """
    return np.min(np.where(np.isnan(found), 1, found), axis=0).astype(
        np.float32
    )


def _take_better(reading, indices, second):
    """Put a second reading of some images where it found a page more likely."""
    better = second.layout_found > reading.layout_found[indices]
    for field in dataclasses.fields(Reading):
        values = getattr(reading, field.name)
        values[indices[better]] = getattr(second, field.name)[better]


def _pixels(image, size):
    if not isinstance(image, np.ndarray):
        return read_resized(image, *size)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise InputError(
            "expected an image (H, W, 3) of uint8 RGB. Received: shape "
            f"{image.shape} of {image.dtype}"
        )
    return resize(image, *size)


def _model_file(path):
    """The .keras file of a model given by name, as a file or a folder."""
    if is_packaged(path):
        return PRESETS[str(path)]
    if path.is_dir():
        for name in (RUN_FILE, EXPORT_FILE):
            if (path / name).is_file():
                if name == EXPORT_FILE:
                    _check_export(path)
                return path / name
        raise InputError(
            f"{path} holds no model. Expected the folder of a run "
            f"({RUN_FILE}) or of an export ({EXPORT_FILE})"
        )
    if not path.is_file():
        raise InputError(
            f"{path} does not exist. Expected a .keras file, or the folder of "
            "a run or of an export"
        )
    return path


def _check_export(folder):
    """Check an export's summary against what this version reads."""
    path = folder / EXPORT_SUMMARY
    try:
        summary = json.loads(path.read_text())
        version = summary["export_version"]
        n_bytes = summary["files"][EXPORT_FILE]["bytes"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is no summary of an export: {error}"
        ) from None
    if version != EXPORT_VERSION:
        raise InputError(
            f"{folder} was exported by ecg_keras {summary['ecg_keras']} as "
            f"version {version}; this one reads version {EXPORT_VERSION}. "
            "Install that version, or export the model again"
        )
    found = (folder / EXPORT_FILE).stat().st_size
    if found != n_bytes:
        raise InputError(
            f"{folder / EXPORT_FILE} has {found} bytes, expected {n_bytes}: "
            "it is incomplete"
        )


def _load_model(file):
    if file in PRESETS.values():
        return read_packaged(file)
    model = read_keras_file(file)
    output = getattr(model, "output", None)
    if isinstance(output, dict):
        output = output.get("signals")
    shape = getattr(output, "shape", ())
    if len(model.inputs) != 1 or tuple(shape[-2:]) != (12, 5000):
        raise InputError(
            f"{file} is no model of this package. Expected an image to "
            f"signals (12, 5000). Received: {shape}"
        )
    return model

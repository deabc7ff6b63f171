"""Load trained models and turn images into signals.

import ecg_keras
signals_mv = ecg_keras.load().predict(["page.png"])
"""

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np

from ecg_keras.ecg.digitized import DOUBTFUL, GOOD, REFUSED
from ecg_keras.ecg.leads import N_LEADS, N_SAMPLES
from ecg_keras.errors import InputError

# Importing it also registers the layers that a saved model may name.
from ecg_keras.models.saving import RUN_FILE, read_keras_file
from ecg_keras.models.weight_files import read_packaged
from ecg_keras.packaged import (
    DEFAULT_MODEL,
    PAGE_READER,
    PRESETS,
    is_packaged,
    refusal,
)
from ecg_keras.page import jpeg_damage
from ecg_keras.page.images import read_image, read_resized, resize
from ecg_keras.reading_processes import in_turn, page_reader, threads_for

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

# What the reader's words are in `Reading.layout_found`.
FOUND = {GOOD: 1.0, DOUBTFUL: 0.75, REFUSED: 0.0}

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
        reasons: for each image a tuple of str, why it is not to be trusted;
            None where there are none and the models give none.
    """

    signals_mv: np.ndarray
    std_mv: np.ndarray
    layout_found: np.ndarray
    read_by: np.ndarray
    reasons: tuple | None = None

    @property
    def refused(self):
        """(n,) bool: images that are no page of a layout that can be read."""
        return self.layout_found < 0.5

    @property
    def quality(self):
        """For each image "good", "doubtful" or "refused"."""
        reasons = self.reasons or ((),) * len(self.refused)
        return tuple(
            REFUSED if refused else DOUBTFUL if why else GOOD
            for refused, why in zip(self.refused, reasons, strict=True)
        )

    def refusals(self, images):
        """What is said of the images that were refused.

        Args:
            images: names of files, or arrays, as they were read.

        Returns:
            dict: index of an image -> what is said of it.
        """
        reasons = self.reasons or ((),) * len(images)
        names = [
            "an image" if isinstance(image, np.ndarray) else image
            for image in images
        ]
        return {
            int(index): refusal(names[index], reasons[index])
            for index in np.flatnonzero(self.refused)
        }


def load(path=DEFAULT_MODEL, given=None, processes=1):
    """Load a model, or an ensemble, for inference.

    Args:
        path: "reader", which reads pages of any layout, "tracer" or
            "photo_tracer", which read the competition's, and come with the
            package; a `.keras` file; the folder of a training run or of an
            export; or a list of models, whose answers are averaged.
        given: `page_reader.Given`, what is known of all pages; the reader
            alone looks at it.
        processes: how many of them read pages, see `reading_processes`; the
            reader alone looks at it.

    Returns:
        `Predictor`, or `PagePredictor` of the reader.

    Raises:
        InputError: there is no model, it is incomplete, or cannot be read.
    """
    paths = path if isinstance(path, (list, tuple)) else [path]
    if not paths:
        raise InputError("no model was given")
    names = [str(p) for p in paths]
    if PAGE_READER in names and is_packaged(PAGE_READER):
        if len(names) > 1:
            raise InputError(
                f"the model {PAGE_READER} is averaged with no other; expected "
                f"{PAGE_READER} alone. Received: {' '.join(names)}"
            )
        return PagePredictor(page_reader(given, processes), processes)
    models = [_load_model(_model_file(Path(p))) for p in paths]
    return Predictor(models, ", ".join(names))


class _Predicts:
    """What all predictors offer beside `read`."""

    def predict(self, images, batch_size=None):
        """Signals of some images.

        Args:
            images: see `read`.
            batch_size: see `read`.

        Returns:
            (n, 12, 5000) float32 mV at 500 Hz.

        Raises:
            InputError: an image cannot be read, there is none, or one is no
                page of a layout that can be read; `read` says what it finds in
                such a page.
        """
        reading = self.read(images, batch_size)
        for said in reading.refusals(images).values():
            raise InputError(said)
        return reading.signals_mv


class PagePredictor(_Predicts):
    """A reader of any page, with answers as the competition wants them.

    Args:
        page_reader: see `page_reader.PageReader`.
        processes: how many pages it reads at once.
    """

    name = PAGE_READER

    def __init__(self, page_reader, processes=1):
        self.page_reader, self.processes = page_reader, processes

    @property
    def model(self):
        """Raises `InputError`: the reader is more than one network."""
        raise InputError(
            f"the model {PAGE_READER} is no single keras.Model. Expected one "
            f"that is: {' or '.join(PRESETS)}"
        )

    def read(self, images, batch_size=None):
        """Signals of some images: see `Predictor.read`.

        Of a page that shows less than 10 s the rest is 0, of a longer one the
        first 10 s are given; `page_reader` gives all that a page shows.
        `batch_size` is not used.
        """
        images = _checked(images)
        shape = len(images), N_LEADS, N_SAMPLES
        signals = np.zeros(shape, np.float32)
        std = np.full(shape, np.nan, np.float32)
        found = np.zeros(len(images), np.float32)
        reasons = []
        read = in_turn(self._digitized, images, threads_for(self.processes))
        for index, digitized in enumerate(read):
            n = min(digitized.signals_mv.shape[1], N_SAMPLES)
            shown = digitized.signals_mv[:, :n]
            signals[index, :, :n] = np.nan_to_num(shown)
            std[index, :, :n] = digitized.std_mv[:, :n]
            found[index] = FOUND[digitized.quality]
            reasons.append(tuple(digitized.reasons))
        names = np.full(len(images), self.name, object)
        return Reading(signals, std, found, names, tuple(reasons))

    def _digitized(self, image):
        """`DigitizedEcg` of an image, an array or a file's name."""
        damage = _damage(image)
        if not isinstance(image, np.ndarray):
            image = read_image(image)
        digitized = self.page_reader.read(_rgb(image)).digitized
        return digitized.doubted(damage)


class Predictor(_Predicts):
    """Models and the image sizes that they want.

    Args:
        models: list of keras.Model, `image` (B, H, W, 3), 0..255, to `signals`
            (B, 12, 5000), mV. Several are averaged.
        name: what `Reading.read_by` says.
    """

    def __init__(self, models, name=""):
        self.models = models
        self.name = name

    @property
    def model(self):
        """One keras.Model that does all: an average layer joins several.

        Raises:
            InputError: the models want images of different sizes.
        """
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
        images = _checked(images)
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
        reasons = tuple(_damage(image) for image in images)
        return Reading(
            np.mean(signals, axis=0, dtype=np.float32),
            _mean_of_given(std),
            _least_of_given(found),
            np.full(len(images), self.name, object),
            reasons if any(reasons) else None,
        )

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


def _checked(images):
    """A list of images.

    Raises:
        InputError: there is none.
    """
    if isinstance(images, (str, Path)):
        raise TypeError(f"Expected a list of images. Received: {images!r}")
    if not len(images):
        raise InputError("no images were given")
    return images


def _damage(image):
    """Why an image given as a file may be wrong, a tuple of str."""
    if isinstance(image, np.ndarray) or not Path(image).is_file():
        return ()
    return jpeg_damage.damage(Path(image).read_bytes())


def _pixels(image, size):
    if not isinstance(image, np.ndarray):
        return read_resized(image, *size)
    return resize(_rgb(image), *size)


def _rgb(image):
    """The image, if it is one."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise InputError(
            "expected an image (H, W, 3) of uint8 RGB. Received: shape "
            f"{image.shape} of {image.dtype}"
        )
    return image


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
    expected = N_LEADS, N_SAMPLES
    if len(model.inputs) != 1 or tuple(shape[-2:]) != expected:
        raise InputError(
            f"{file} is no model of this package. Expected an image to "
            f"signals {expected}. Received: {shape}"
        )
    return model

"""Pictures with known maps to batches of parts of strips, by tf.data.

What a batch holds is a pure function of (seed, epoch, step), as in `pipeline`.

Batches are `strip` (B, 800, W, 3) uint8 and targets (B, 2 W) float32 mV with
NaN where there is no trace.
"""

import dataclasses
import json

import cv2
import keras
import numpy as np
import tensorflow as tf

from ecg_keras.errors import InputError
from ecg_keras.images import read_image, resize
from ecg_keras.leads import RATE_HZ
from ecg_keras.page_map import PageMap
from ecg_keras.paper import (
    N_ROWS,
    PAGE_HEIGHT_PX,
    PAGE_WIDTH_PX,
    PX_PER_MV,
    PX_PER_S,
)
from ecg_keras.records import read_signals
from ecg_keras.strips import (
    SAMPLES_IN_STRIP,
    SAMPLES_PER_COLUMN,
    STRIP_HEIGHT,
    STRIP_WIDTH,
    cut_strip,
    row_signals,
)

if keras.backend.backend() != "tensorflow":
    # The accelerator belongs to the backend that trains.
    tf.config.set_visible_devices([], "GPU")

PARTS_PER_PICTURE = 16
SHUFFLED_PARTS = 256
# How far off its place the page's frame may be found, in page px; samples.
SHIFT_Y_PX = 4.0
SHIFT_SAMPLES = 8
# Places from which the one with the largest wave is taken.
CHOICES = 4
# The light of a picture varies; so does its noise.
GAMMA_RANGE = (0.7, 1.4)
CONTRAST_RANGE = (0.75, 1.2)
MAX_NOISE_STD = 6.0


@dataclasses.dataclass(frozen=True)
class Pictures:
    """Images, where they lie on the page, and what the page shows.

    Attributes:
        sources: (path, `PageMap`, index into `rows_mv`) of each image.
        records: the `records.Record` of each target.
        targets: (N records, 12, 5000) mV, NaN where nothing is printed.
        rows_mv: the same as (N records, 4, SAMPLES_IN_STRIP).
    """

    sources: tuple
    records: tuple
    targets: np.ndarray
    rows_mv: np.ndarray

    def __len__(self):
        return len(self.sources)


def load_pictures(records, on_bad=None):
    """Read the signals and maps of some records.

    Args:
        records: list of `records.Record`.
        on_bad: called with (record id, message) for what cannot be read, which
            is then left out; None raises instead.

    Raises:
        InputError: a file that cannot be used, or nothing left to use.
    """
    sources, readable, targets = [], [], []
    for record in records:
        try:
            maps = [
                (str(path), read_map(path, kind))
                for kind, path in record.image_paths.items()
            ]
            signals_mv, printed = read_signals(record)
        except InputError as error:
            if on_bad is None:
                raise
            on_bad(record.id, str(error))
            continue
        sources += [(*pair, len(readable)) for pair in maps]
        readable.append(record)
        targets.append(np.where(printed > 0, signals_mv, np.nan))
    if not readable:
        raise InputError("no record is left that can be read")
    return Pictures(
        tuple(sources),
        tuple(readable),
        np.stack(targets).astype(np.float32),
        np.stack([row_signals(target) for target in targets]),
    )


def read_map(image_path, image_type):
    """Where an image lies on the page: its .json, or as rendered for 0001.

    Raises:
        InputError: there is no map, or it cannot be read.
    """
    path = image_path.with_suffix(".json")
    if not path.exists() and image_type == "0001":
        return PageMap.identity()
    try:
        return PageMap.from_dict(json.loads(path.read_text()))
    except FileNotFoundError:
        raise InputError(
            f"{path} does not exist: the tracer learns from images whose place "
            "on the page is known (`python -m ecg_keras render --maps`), and "
            "from type 0001"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no map of a page: {error}") from None


def read_picture(path, page_map):
    """An image as the tracer gets it: (1700, 2200, 3), and its map."""
    image = read_image(path)
    height, width = image.shape[:2]
    factors = PAGE_WIDTH_PX / width, PAGE_HEIGHT_PX / height
    image = resize(image, PAGE_HEIGHT_PX, PAGE_WIDTH_PX)
    return image, page_map.scaled(*factors)


def whole_strips(image, page_map):
    """The four rows of a picture, (4, STRIP_HEIGHT, STRIP_WIDTH, 3) uint8."""
    return np.stack([
        cut_strip(image, page_map, row, 0, STRIP_WIDTH)
        for row in range(N_ROWS)
    ])  # fmt: skip


def training_parts(
    pictures, n_columns, batch_size, steps, seed, first_epoch=0, augment=True
):
    """An endless stream of training batches, epoch after epoch.

    Args:
        pictures: `Pictures`.
        n_columns: width of the parts.
        batch_size: parts in a batch.
        steps: batches in an epoch.
        seed: order, places and augmentation follow from it.
        first_epoch: the epoch with which the stream starts.
        augment: vary light, noise, and the place of the strip.

    Returns:
        tf.data.Dataset of (strip, target) batches.
    """
    per_epoch = -(-steps * batch_size // PARTS_PER_PICTURE)
    shapes = (
        (PARTS_PER_PICTURE, STRIP_HEIGHT, n_columns, 3),
        (PARTS_PER_PICTURE, SAMPLES_PER_COLUMN * n_columns),
    )

    def parts(position):
        strips, targets = tf.numpy_function(
            lambda p: random_parts(pictures, n_columns, seed, int(p), augment),
            [position],
            (tf.uint8, tf.float32),
        )
        pair = (
            tf.ensure_shape(strips, shapes[0]),
            tf.ensure_shape(targets, shapes[1]),
        )
        return tf.data.Dataset.from_tensor_slices(pair)

    def epoch_parts(epoch):
        positions = tf.data.Dataset.range(
            epoch * per_epoch, (epoch + 1) * per_epoch
        )
        found = positions.interleave(
            parts,
            cycle_length=4,
            num_parallel_calls=2,
            deterministic=True,
        )
        found = found.shuffle(SHUFFLED_PARTS, seed=seed)
        return found.batch(batch_size, drop_remainder=True).take(steps)

    epochs = tf.data.Dataset.range(first_epoch, np.iinfo("int64").max)
    return epochs.flat_map(epoch_parts).prefetch(tf.data.AUTOTUNE)


def random_parts(pictures, n_columns, seed, position, augment=True):
    """Parts of one picture, varied: a pure function of (seed, position).

    Returns:
        (PARTS_PER_PICTURE, STRIP_HEIGHT, n_columns, 3) uint8 and
        (PARTS_PER_PICTURE, 2 n_columns) float32 mV.
    """
    rounds, place = divmod(position, len(pictures))
    order = np.random.default_rng([seed, 0, rounds]).permutation(len(pictures))
    path, page_map, index = pictures.sources[order[place]]
    rng = np.random.default_rng([seed, 1, position])
    image, page_map = read_picture(path, page_map)
    strips, targets = [], []
    for part in range(PARTS_PER_PICTURE):
        row = part % N_ROWS
        first = _first_column(pictures.rows_mv[index, row], n_columns, rng)
        shift = int(rng.integers(-SHIFT_SAMPLES, SHIFT_SAMPLES + 1))
        shift_y = rng.normal(0, SHIFT_Y_PX / 2)
        if not augment:
            shift, shift_y = 0, 0.0
        strip = cut_strip(
            image,
            page_map,
            row,
            first,
            n_columns,
            (shift * PX_PER_S / RATE_HZ, shift_y),
        )
        strips.append(vary(strip, rng) if augment else strip)
        samples = np.arange(SAMPLES_PER_COLUMN * n_columns)
        samples += SAMPLES_PER_COLUMN * first + shift
        target = pictures.rows_mv[index, row][
            samples.clip(0, SAMPLES_IN_STRIP - 1)
        ]
        target = np.where(samples % SAMPLES_IN_STRIP == samples, target, np.nan)
        targets.append(target + shift_y / PX_PER_MV)
    return np.stack(strips), np.stack(targets).astype(np.float32)


def _first_column(row_mv, n_columns, rng):
    """Where a part begins: anywhere, half of the time at large waves.

    These cross other rows, are rare, and hold most of the error's power.
    """
    places = rng.integers(0, STRIP_WIDTH - n_columns + 1, CHOICES)
    if rng.random() < 0.5:
        return int(places[0])
    size_mv = np.nan_to_num(np.abs(row_mv))
    starts = SAMPLES_PER_COLUMN * places[:, None]
    parts = size_mv[starts + np.arange(SAMPLES_PER_COLUMN * n_columns)]
    return int(places[parts.max(axis=1).argmax()])


def vary(strip, rng):
    """Other light, contrast and noise; what the strip shows stays true."""
    levels = np.linspace(0, 1, 256)[:, None]
    gamma = np.exp(rng.uniform(*np.log(GAMMA_RANGE), (1, 3)))
    gamma = gamma if rng.random() < 0.3 else gamma[:, :1].repeat(3, axis=1)
    levels = levels**gamma
    contrast = rng.uniform(*CONTRAST_RANGE)
    levels = 0.5 + contrast * (levels - 0.5) + rng.uniform(-0.08, 0.08)
    table = np.clip(255 * levels, 0, 255).astype(np.uint8)
    strip = cv2.LUT(strip, table.reshape(256, 1, 3))
    if rng.random() < 0.5:
        noise = rng.uniform(0, MAX_NOISE_STD)
        grain = rng.integers(0, 256, strip.shape, np.uint8)
        # Uniform noise: its deviation is its width over the root of 12.
        strip = cv2.addWeighted(
            strip, 1, grain, noise * 12**0.5 / 255, -noise * 3**0.5
        )
    return strip

"""Pictures with known maps to batches of parts of row images, by tf.data.

What a batch holds is a pure function of (seed, epoch, step).

Batches are `strip` (B, 800, W, 3) uint8 and targets (B, 2 W) float32 mV with
NaN where there is no trace.
"""

import numpy as np
import tensorflow as tf

from ecg_keras.data.augmentation import vary_light
from ecg_keras.data.pictures import read_picture
from ecg_keras.data.tensorflow_devices import keep_off_the_accelerator
from ecg_keras.ecg.leads import RATE_HZ
from ecg_keras.page.paper import (
    N_ROWS,
    PX_PER_MV,
    PX_PER_S,
)
from ecg_keras.page.row_images import (
    SAMPLES_IN_STRIP,
    SAMPLES_PER_COLUMN,
    STRIP_HEIGHT,
    STRIP_WIDTH,
    cut_strip,
)

PARTS_PER_PICTURE = 16
SHUFFLED_PARTS = 256
# As far as a row image may be off where the page is not found exactly: twice
# the standard deviation down, in page px, and the most along time, in samples.
SHIFT_Y_PX = 4.0
SHIFT_SAMPLES = 8
# Half of the parts are those with the largest wave of so many candidates.
N_CANDIDATES = 4


def whole_strips(image, page_map):
    """A picture's row images, (4, STRIP_HEIGHT, STRIP_WIDTH, 3) uint8."""
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
        seed: order, parts and augmentation follow from it.
        first_epoch: the epoch with which the stream starts.
        augment: vary light, noise, and the position of the row image.

    Returns:
        tf.data.Dataset of (strip, target) batches.
    """
    keep_off_the_accelerator()
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
    rounds, position_in_round = divmod(position, len(pictures))
    order = np.random.default_rng([seed, 0, rounds]).permutation(len(pictures))
    picture = pictures.sources[order[position_in_round]]
    rows_mv = pictures.rows_mv[picture.record]
    rng = np.random.default_rng([seed, 1, position])
    image, page_map = read_picture(picture)
    strips, targets = [], []
    for part in range(PARTS_PER_PICTURE):
        row = part % N_ROWS
        first = _first_column(rows_mv[row], n_columns, rng)
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
        strips.append(vary_light(strip, rng) if augment else strip)
        samples = np.arange(SAMPLES_PER_COLUMN * n_columns)
        samples += SAMPLES_PER_COLUMN * first + shift
        target = rows_mv[row][samples.clip(0, SAMPLES_IN_STRIP - 1)]
        target = np.where(samples % SAMPLES_IN_STRIP == samples, target, np.nan)
        targets.append(target + shift_y / PX_PER_MV)
    return np.stack(strips), np.stack(targets).astype(np.float32)


def _first_column(row_mv, n_columns, rng):
    """Where a part begins: anywhere, half of the time at large waves.

    These cross other rows, are rare, and hold most of the error's power.
    """
    columns = rng.integers(0, STRIP_WIDTH - n_columns + 1, N_CANDIDATES)
    if rng.random() < 0.5:
        return int(columns[0])
    size_mv = np.nan_to_num(np.abs(row_mv))
    starts = SAMPLES_PER_COLUMN * columns[:, None]
    parts = size_mv[starts + np.arange(SAMPLES_PER_COLUMN * n_columns)]
    return int(columns[parts.max(axis=1).argmax()])

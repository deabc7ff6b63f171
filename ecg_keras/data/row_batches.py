"""Pictures with known maps to batches of parts of row images, by tf.data.

What a batch holds is a pure function of (seed, epoch, step).

Batches are `strip` (B, 800, W, 3) uint8, or of 4 channels for a network that is
told where the other rows are, and targets (B, 2 W) float32 mV with NaN where
there is no trace.
"""

import numpy as np
import tensorflow as tf

from ecg_keras.data.augmentation import vary_light
from ecg_keras.data.pictures import read_on_paper
from ecg_keras.data.tensorflow_devices import keep_off_the_accelerator
from ecg_keras.models.layout.straight_page import straighten
from ecg_keras.page.paper import GAIN_MM_PER_MV
from ecg_keras.page.printed_layout import others_away_mm
from ecg_keras.page.row_images import (
    MARGIN_MM,
    MAX_PX_PER_MM,
    SAMPLE_MM,
    SAMPLES_PER_COLUMN,
    STRIP_HEIGHT,
    not_finer_than,
    paper_rgb,
    row_part,
    with_other_rows,
)

PARTS_PER_PICTURE = 16
SHUFFLED_PARTS = 256
# As far as a row image may be off where the page is not found exactly: the
# standard deviation across, of most pictures and of a share of them, and the
# most along time, in samples.
SHIFT_MM, FAR_MM, FAR_SHARE = 0.25, 0.8, 0.25
SHIFT_SAMPLES = 8
# Half of the parts are those with the largest wave of so many candidates.
N_CANDIDATES = 4
# Share of pictures that are made coarser, and how coarse at most.
COARSER_SHARE, COARSEST_PX_PER_MM = 0.3, 5.0
# Share of pictures whose grid is taken away, as pages are read a second time.
WITHOUT_GRID_SHARE = 0.2
# Share of pictures beyond which all is black, as for the packaged tracers,
# rather than the paper's colour.
BLACK_SHARE = 0.4
# As far as other rows' lines may be off, mm, and the share of them, and of all
# of a picture's, that are not told.
OTHERS_OFF_MM, UNTOLD_SHARE = 0.5, 0.1


def training_parts(
    pictures, n_columns, batch_size, steps, seed, first_epoch=0, augment=True,
    other_rows=False,
):  # fmt: skip
    """An endless stream of training batches, epoch after epoch.

    Args:
        pictures: `Pictures`.
        n_columns: width of the parts.
        batch_size: parts in a batch.
        steps: batches in an epoch.
        seed: order, parts and augmentation follow from it.
        first_epoch: the epoch with which the stream starts.
        augment: vary light, noise, and the position of the row image.
        other_rows: see `row_network.build_row_network`.

    Returns:
        tf.data.Dataset of (strip, target) batches.
    """
    keep_off_the_accelerator()
    per_epoch = -(-steps * batch_size // PARTS_PER_PICTURE)
    shapes = (
        (PARTS_PER_PICTURE, STRIP_HEIGHT, n_columns, 3 + other_rows),
        (PARTS_PER_PICTURE, SAMPLES_PER_COLUMN * n_columns),
    )

    def parts(position):
        strips, targets = tf.numpy_function(
            lambda p: random_parts(
                pictures, n_columns, seed, int(p), augment, other_rows
            ),
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


def random_parts(
    pictures, n_columns, seed, position, augment=True, other_rows=False
):
    """Parts of one picture, varied: a pure function of (seed, position).

    Returns:
        (PARTS_PER_PICTURE, STRIP_HEIGHT, n_columns, 3 or 4) uint8 and
        (PARTS_PER_PICTURE, 2 n_columns) float32 mV.
    """
    rounds, position_in_round = divmod(position, len(pictures))
    order = np.random.default_rng([seed, 0, rounds]).permutation(len(pictures))
    picture = pictures.sources[order[position_in_round]]
    page = pictures.pages[picture.record]
    rng = np.random.default_rng([seed, 1, position])
    finest = MAX_PX_PER_MM
    if augment and rng.random() < COARSER_SHARE:
        finest = np.exp(rng.uniform(*np.log((COARSEST_PX_PER_MM, finest))))
    image, paper_map = read_on_paper(picture)
    if augment and rng.random() < WITHOUT_GRID_SHARE:
        image, paper_map = straighten(image, paper_map).without_grid()
    image, paper_map = not_finer_than(image, paper_map, finest)
    beyond_rgb = paper_rgb(image)
    if augment and rng.random() < BLACK_SHARE:
        beyond_rgb = np.zeros(3)
    spread_mm = SHIFT_MM
    if augment and rng.random() < FAR_SHARE:
        spread_mm = FAR_MM
    seen_mv = {}
    rows = page.layout.rows
    order = rng.permutation(len(rows))
    strips, targets = [], []
    for part in range(PARTS_PER_PICTURE):
        index = order[part % len(order)]
        row = rows[index]
        if index not in seen_mv:
            seen_mv[index] = _seen(page.rows_mv[index], row, image, paper_map)
        row_mv = seen_mv[index]
        first = SAMPLES_PER_COLUMN * _first_column(row_mv, n_columns, rng)
        shift_mm = 0.0
        if augment:
            first += int(rng.integers(-SHIFT_SAMPLES, SHIFT_SAMPLES + 1))
            shift_mm = rng.normal(0, spread_mm)
        strip = row_part(
            image,
            paper_map,
            row.x_start_mm - MARGIN_MM + first * SAMPLE_MM,
            row.zero_y_mm + shift_mm,
            n_columns,
            beyond_rgb,
        )
        strip = vary_light(strip, rng) if augment else strip
        if other_rows:
            away_mm = np.subtract(others_away_mm(rows, index), shift_mm)
            if augment:
                away_mm = _as_told(away_mm, rng)
            strip = with_other_rows(strip, away_mm)
        strips.append(strip)
        samples = first + np.arange(SAMPLES_PER_COLUMN * n_columns)
        target = row_mv[samples.clip(0, len(row_mv) - 1)]
        target = np.where(samples % len(row_mv) == samples, target, np.nan)
        targets.append(target + shift_mm / GAIN_MM_PER_MV)
    return np.stack(strips), np.stack(targets).astype(np.float32)


def _as_told(away_mm, rng):
    """Where other rows are found: about where they are, or not at all."""
    off_mm = rng.normal(0, OTHERS_OFF_MM, len(away_mm))
    told = rng.random(len(away_mm)) > UNTOLD_SHARE
    told &= rng.random() > UNTOLD_SHARE
    return (away_mm + off_mm)[told]


def _seen(row_mv, row, image, paper_map):
    """A row's trace, NaN also where it lies beyond the picture."""
    x_mm = row.x_start_mm - MARGIN_MM + SAMPLE_MM * np.arange(len(row_mv))
    y_mm = row.zero_y_mm - np.nan_to_num(row_mv) * GAIN_MM_PER_MV
    trace = np.stack([x_mm, y_mm], axis=-1)
    inside = paper_map.in_picture(trace, image.shape)
    return np.where(inside, row_mv, np.nan)


def _first_column(row_mv, n_columns, rng):
    """Where a part begins: anywhere, half of the time at large waves.

    These cross other rows, are rare, and hold most of the error's power. Parts
    that show no trace are left aside where there are others.
    """
    last = max(len(row_mv) // SAMPLES_PER_COLUMN - n_columns, 0)
    columns = rng.integers(0, last + 1, N_CANDIDATES)
    starts = SAMPLES_PER_COLUMN * columns[:, None]
    samples = starts + np.arange(SAMPLES_PER_COLUMN * n_columns)
    parts = row_mv[samples.clip(0, len(row_mv) - 1)]
    if rng.random() < 0.5:
        return int(columns[np.isfinite(parts).any(axis=1).argmax()])
    size_mv = np.abs(parts)
    size_mv = np.where(np.isfinite(size_mv), size_mv, -1.0)
    return int(columns[size_mv.max(axis=1).argmax()])

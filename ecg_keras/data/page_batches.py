"""Records to batches, by tf.data, from a cache of decoded pages.

What a training batch holds is a pure function of (seed, epoch, step): a run
that is resumed sees the data that it would have seen.

Batches are `image` (B, H, W, 3) uint8 and targets (B, 12, 5000) float32 mV with
NaN where the page prints nothing, which is how the losses know what to leave
out.
"""

import dataclasses
from pathlib import Path

import numpy as np
import tensorflow as tf

from ecg_keras.data.augmentation import augment_page
from ecg_keras.data.page_cache import fill_cache
from ecg_keras.data.tensorflow_devices import keep_off_the_accelerator
from ecg_keras.ecg.records import read_signals
from ecg_keras.errors import InputError


@dataclasses.dataclass(frozen=True)
class Pages:
    """Images and what they show; a record may have several images.

    Attributes:
        image_paths: cached images, files of H x W x 3 bytes.
        image_size: (H, W) px.
        record_of_image: (N images,) index into `records` and `targets`.
        records: the `records.Record` of each target.
        targets: (N records, 12, 5000) float32 mV, NaN where not printed.
    """

    image_paths: tuple
    image_size: tuple[int, int]
    record_of_image: np.ndarray
    records: tuple
    targets: np.ndarray

    def __len__(self):
        return len(self.image_paths)


def load_pages(records, image_size, cache_dir, on_bad=None):
    """Read signals and fill the cache with the images of some records.

    Args:
        records: list of `records.Record`.
        image_size: (H, W) px to which images are resized.
        cache_dir: folder of the cache, shared by runs.
        on_bad: called with (record id, message) for what cannot be read, which
            is then left out; None raises instead.

    Returns:
        `Pages`.

    Raises:
        InputError: a file that cannot be used, or nothing left to use.
    """
    readable, targets = [], []
    for record in records:
        try:
            signals_mv, printed = read_signals(record)
        except InputError as error:
            if on_bad is None:
                raise
            on_bad(record.id, str(error))
            continue
        readable.append(record)
        targets.append(np.where(printed > 0, signals_mv, np.nan))
    sources = [
        (index, Path(path))
        for index, record in enumerate(readable)
        for path in record.image_paths.values()
    ]

    def on_bad_image(index, message):
        if on_bad is None:
            raise InputError(message)
        on_bad(readable[index].id, message)

    cached = fill_cache(sources, image_size, Path(cache_dir), on_bad_image)
    if not cached:
        raise InputError("no record is left that can be read")
    return Pages(
        image_paths=tuple(str(path) for _, path in cached),
        image_size=tuple(image_size),
        record_of_image=np.array([index for index, _ in cached], np.int64),
        records=tuple(readable),
        targets=np.stack(targets).astype(np.float32),
    )


def training_batches(pages, batch_size, seed, first_epoch=0, augment=True):
    """An endless stream of training batches, epoch after epoch.

    Every epoch is another order of all images; the last, incomplete batch of
    an epoch is left out, so `steps_per_epoch` batches make one.

    Args:
        pages: `Pages`.
        batch_size: images in a batch.
        seed: order and augmentation follow from it.
        first_epoch: the epoch with which the stream starts.
        augment: turn pages a little and vary their light and noise.

    Returns:
        tf.data.Dataset of (image, target) batches.
    """
    n_images = len(pages)
    per_epoch = steps_per_epoch(pages, batch_size) * batch_size
    load = _loader(pages)

    def example(position):
        epoch, step = position // per_epoch, position % per_epoch
        index = tf.random.experimental.index_shuffle(
            step,
            tf.stack([tf.constant(seed, tf.int64), epoch]),
            max_index=n_images - 1,
        )
        image, target = load(index)
        if augment:
            image = tf.ensure_shape(
                tf.numpy_function(
                    lambda image, at: augment_page(image, [seed, int(at)]),
                    [image, position],
                    tf.uint8,
                ),
                image.shape,
            )
        return image, target

    stream = tf.data.Dataset.range(
        first_epoch * per_epoch, np.iinfo("int64").max
    )
    stream = stream.map(example, num_parallel_calls=tf.data.AUTOTUNE)
    stream = stream.batch(batch_size, drop_remainder=True)
    return stream.prefetch(tf.data.AUTOTUNE)


def steps_per_epoch(pages, batch_size):
    """Whole batches in an epoch.

    Raises:
        InputError: the batch is larger than the data.
    """
    if batch_size > len(pages):
        raise InputError(
            f"--batch-size {batch_size} is larger than the training data: "
            f"{len(pages)} images"
        )
    return len(pages) // batch_size


def ordered_batches(pages, batch_size):
    """All pages once, in order; the last batch may be smaller.

    Returns:
        tf.data.Dataset of (image, target) batches.
    """
    batches = tf.data.Dataset.range(len(pages)).map(
        _loader(pages), num_parallel_calls=tf.data.AUTOTUNE
    )
    return batches.batch(batch_size).prefetch(tf.data.AUTOTUNE)


def _loader(pages):
    """index -> (image (H, W, 3) uint8, target (12, 5000))."""
    keep_off_the_accelerator()
    with tf.device("CPU"):
        paths = tf.constant(pages.image_paths)
        record_of_image = tf.constant(pages.record_of_image)
        targets = tf.constant(pages.targets)

    def load(index):
        raw = tf.io.decode_raw(tf.io.read_file(paths[index]), tf.uint8)
        image = tf.reshape(raw, (*pages.image_size, 3))
        return image, targets[record_of_image[index]]

    return load

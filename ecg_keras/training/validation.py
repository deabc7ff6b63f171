"""What a model is worth after an epoch: loss, SNR, the competition's score.

One pass over the validation records serves all three. Keras's own validation
would need a second one for the score, which is not a mean over samples.
"""

import math

import cv2
import keras
import numpy as np
from keras import ops

from ecg_keras.data.cell_batches import FLAT, example
from ecg_keras.data.name_batches import example as name_example
from ecg_keras.data.page_batches import ordered_batches
from ecg_keras.data.pictures import read_on_paper
from ecg_keras.ecg.leads import N_SAMPLES, RATE_HZ
from ecg_keras.ecg.metrics import record_ratio, score_db
from ecg_keras.ecg.records import PageRecord, read_table
from ecg_keras.ecg.resampling import from_grid
from ecg_keras.models.layout.lead_names import names_in
from ecg_keras.models.reading.leads_from_segments import join_segments
from ecg_keras.models.reading.likely_path import likely_path
from ecg_keras.models.reading.printed_rows import read_segments, row_logits
from ecg_keras.models.registration.flat_page import fit_affine
from ecg_keras.models.registration.homography import (
    fit_homography,
    page_to_picture_px,
)
from ecg_keras.page.cells import (
    UNIT_PX,
    cell_centres_px,
    layout_label,
    layout_logit,
    offsets,
)
from ecg_keras.page.coordinates import MIDDLE_PX
from ecg_keras.page.row_images import not_finer_than
from ecg_keras.training.losses import snr_db

N_EXAMPLES = 3


class _Validation(keras.callbacks.Callback):
    """Adds val_loss, val_snr and val_competition_snr to the epoch's logs.

    Args:
        records: list of `records.Record`.
        record_of_image: index into `records` for each image.
        competition_every: epochs between two scores by the competition's
            metric; NaN stands in the epochs between.
    """

    def __init__(self, records, record_of_image, competition_every):
        super().__init__()
        self.records = records
        self.record_of_image = record_of_image
        self.competition_every = competition_every
        # (record id, target, prediction) of a few images, for pictures.
        self.examples = []
        self._tables = {}

    def answers(self):
        """Yields (loss, target, prediction) of each image, in order."""
        raise NotImplementedError

    def on_epoch_end(self, epoch, logs=None):
        losses, snrs, ratios, self.examples = [], [], [], []
        scored = (epoch + 1) % self.competition_every == 0
        for index, (loss, target, prediction) in enumerate(self.answers()):
            losses.append(loss)
            snrs += _floats(snr_db(target[None], prediction[None]))
            record = self.records[self.record_of_image[index]]
            is_competitions = target.shape[1] == N_SAMPLES
            if scored:
                ratios.append(self._ratio(record, target, prediction))
            if len(self.examples) < N_EXAMPLES and is_competitions:
                self.examples.append((record.id, target, prediction))
        logs["val_loss"] = float(np.mean(losses))
        logs["val_snr"] = float(np.mean(snrs))
        logs["val_competition_snr"] = score_db(ratios) if scored else math.nan

    def _ratio(self, record, target, prediction):
        if record.id not in self._tables:
            table_mv = read_table(record.signals_path, record.n_samples)
            self._tables[record.id] = table_mv.astype(np.float32)
        table_mv = self._tables[record.id]
        found_mv = from_grid(prediction, record.rate_hz, like=table_mv)
        return record_ratio(table_mv, found_mv, record.rate_hz)


class PageValidation(_Validation):
    """Validates a model of whole pages.

    Args:
        pages: `page_batches.Pages`.
        batch_size: images in a batch; the last one is filled up, as all
            devices want an equal share of it.
        loss: a keras loss, whose `call` gives a value for each record.
        competition_every: epochs between two scores by the competition's
            metric; NaN stands in the epochs between.
    """

    def __init__(self, pages, batch_size, loss, competition_every=1):
        super().__init__(
            pages.records, pages.record_of_image, competition_every
        )
        self.pages = pages
        self.batch_size = batch_size
        self.loss = loss

    def answers(self):
        for images, targets in ordered_batches(self.pages, self.batch_size):
            images, targets = images.numpy(), targets.numpy()
            predictions = self._predict(images)
            losses = _floats(self.loss.call(targets, predictions))
            yield from zip(losses, targets, predictions, strict=True)

    def _predict(self, images):
        missing = self.batch_size - len(images)
        padded = np.pad(images, [(0, missing), *[(0, 0)] * 3], mode="edge")
        return self.model.predict_on_batch(padded)[: len(images)]


class StripValidation(_Validation):
    """Validates the tracer's row network on whole rows of known pages.

    Args:
        pictures: `pictures.Pictures`.
        loss: a keras loss on (B, T) mV and logits (B, bins, T).
        competition_every: see `PageValidation`.
    """

    def __init__(self, pictures, loss, competition_every=1):
        record_of_image = [picture.record for picture in pictures.sources]
        super().__init__(pictures.records, record_of_image, competition_every)
        self.pictures = pictures
        self.loss = loss

    def answers(self):
        for picture in self.pictures.sources:
            page = self.pictures.pages[picture.record]
            place = not_finer_than(*read_on_paper(picture))
            rows = row_logits(*place, page.layout.rows, self.model)
            losses = [
                _floats(self.loss.call(row_mv[None], row.logits[None]))
                for row_mv, row in zip(page.rows_mv, rows, strict=True)
            ]
            signals, _ = join_segments(
                page.layout, read_segments(page.layout, rows, likely_path)
            )
            n_samples = page.signals_mv.shape[1]
            found = np.zeros_like(page.signals_mv)
            found[:, : signals.shape[1]] = np.nan_to_num(signals[:, :n_samples])
            yield float(np.mean(losses)), page.signals_mv, found

    def _ratio(self, record, target, prediction):
        if isinstance(record, PageRecord):
            return record_ratio(target, prediction, RATE_HZ)
        return super()._ratio(record, target, prediction)


class FrameValidation(keras.callbacks.Callback):
    """Validates the frame or the pose network.

    The cells are judged as the tracers use them, see `fitted_points`. Adds to
    the logs: val_loss; val_error_px, the error of the fitted map at its worst
    cell, the median over the pages; val_found, the share of all pictures whose
    layout is judged right and which, if it is 3x4+1, lie within half a box of
    where they should (then the grid's phase finds the rest).

    Args:
        pictures: `cell_batches.SmallPictures`.
        loss: a keras loss.
        seed, pose: pictures are moved as in training, see `example`.
    """

    N_PICTURES = 128

    def __init__(self, pictures, loss, seed, pose):
        super().__init__()
        self.loss = loss
        self.pose = pose
        self.examples = []
        pairs = [
            example(pictures, seed, i, pose) for i in range(self.N_PICTURES)
        ]
        self.images, self.targets = map(np.stack, zip(*pairs, strict=True))

    def on_epoch_end(self, epoch, logs=None):
        cells = _predicted(self.model, self.images)
        errors_px = map_errors_px(self.targets, cells, self.pose)
        readable = layout_label(self.targets) > 0
        judged = layout_logit(cells) > 0
        near = errors_px < UNIT_PX / 2
        found = (judged == readable) & (near | ~readable)
        logs["val_loss"] = float(np.mean(_floats(
            self.loss.call(self.targets, cells)
        )))  # fmt: skip
        logs["val_error_px"] = float(np.median(errors_px[readable]))
        logs["val_found"] = float(np.mean(found))


class NameValidation(keras.callbacks.Callback):
    """Validates the name network.

    Adds to the logs: val_loss; val_found, of the names that are there and of
    those that are found the share that is both (F1), near enough and of the
    right lead.

    Args:
        pages: `name_batches.InkPages`.
        loss: a keras loss.
        seed: parts are taken and varied as in training, see `example`.
    """

    N_PARTS = 256
    NEAR_CELLS = 2.5

    def __init__(self, pages, loss, seed):
        super().__init__()
        self.loss = loss
        self.examples = []
        pairs = [name_example(pages, seed, i) for i in range(self.N_PARTS)]
        self.inks, self.targets = map(np.stack, zip(*pairs, strict=True))

    def on_epoch_end(self, epoch, logs=None):
        logits = _predicted(self.model, self.inks)
        counts = [
            self._counts(target, names_in(own))
            for target, own in zip(self.targets, logits, strict=True)
        ]
        n_both, n_there, n_found = np.sum(counts, axis=0)
        logs["val_loss"] = float(np.mean(_floats(
            self.loss.call(self.targets, logits)
        )))  # fmt: skip
        logs["val_found"] = float(2 * n_both / max(n_there + n_found, 1))

    def _counts(self, target, found):
        """How many names are found, are there, and were found in all."""
        there = _middles(target)
        right = sum(
            any(
                number == 1 + np.argmax(shares[1:])
                and max(abs(x - own_x), abs(y - own_y)) < self.NEAR_CELLS
                for own_x, own_y, shares in found
            )
            for x, y, number in there
        )
        # What need not be learnt is no mistake.
        counted = [
            name for name in found
            if np.isfinite(target[int(name[1]), int(name[0])])
        ]  # fmt: skip
        return right, len(there), max(len(counted), right)


def _predicted(model, inputs, batch=16):
    """A model's answers to (n, ...) inputs, some at a time."""
    return np.concatenate([
        model.predict_on_batch(inputs[i : i + batch])
        for i in range(0, len(inputs), batch)
    ])  # fmt: skip


def _middles(target):
    """(x, y, number) of the names in a target, in cells."""
    there = np.nan_to_num(target).astype(int)
    found = []
    for number in np.unique(there[there > 0]):
        own = (there == number).astype(np.uint8)
        _, _, _, middles = cv2.connectedComponentsWithStats(own)
        found += [(x + 0.5, y + 0.5, number) for x, y in middles[1:]]
    return found


def fitted_points(cells, page_points, pose):
    """Where a map that is fitted to cells puts points of the page.

    The tracer fits an affine map to its frame network's cells, the photo tracer
    homographies to those of both its networks.

    Args:
        cells: (B, rows, columns, 4) as a network answers.
        page_points: (B, n, 2) px.
        pose: how the pages lie, see `cell_batches.example`.

    Returns:
        (B, n, 2) px of the picture.
    """
    fit = fit_affine if pose == FLAT else fit_homography
    page = (page_points - MIDDLE_PX).astype(np.float32)
    picture = page_to_picture_px(
        fit(ops.convert_to_tensor(cells)),
        *(ops.convert_to_tensor(page[..., axis]) for axis in (0, 1)),
    )
    return np.stack([ops.convert_to_numpy(v) for v in picture], axis=-1)


def map_errors_px(targets, cells, pose):
    """Errors of fitted maps (B,), each at the worst of its known cells."""
    known = np.isfinite(targets[..., 0])
    centres = cell_centres_px()
    page = centres + np.nan_to_num(offsets(targets)) * UNIT_PX
    picture = fitted_points(cells, page.reshape(len(page), -1, 2), pose)
    picture = picture.reshape(*known.shape, 2)
    errors_px = np.abs(picture - centres).max(axis=-1)
    worst_px = np.where(known, errors_px, 0).max(axis=(1, 2))
    return np.where(known.any(axis=(1, 2)), worst_px, np.inf)


def _floats(values):
    return ops.convert_to_numpy(values).astype(float).tolist()

"""Pictures of a page -> `DigitizedEcg`, whichever model reads them.

The commands `digitize` and `archive` read pages by this alone, so that both
give the same signals.

    digitizer = load_digitizer(("reader",))
    digitizer.read([image]).signals_mv
"""

import dataclasses

import numpy as np

from ecg_keras import predictor, reading_processes
from ecg_keras.ecg.digitized import DOUBTFUL, GOOD, REFUSED, DigitizedEcg
from ecg_keras.ecg.leads import ROWS, printed_mask
from ecg_keras.errors import InputError
from ecg_keras.packaged import DEFAULT_MODEL, NO_LAYOUT, PAGE_READER

# Where the traces lie on pages that a model reads, left, top, right and bottom
# as shares of the picture: the tracer's pages fill theirs, from 3.5 mV above
# the first row's zero line to 2 mV below the last one's. The photo tracer's lie
# anywhere.
TRACES_BOX = {"tracer": (0.0, 0.25, 1.0, 0.95)}


def load_digitizer(
    model=(DEFAULT_MODEL,), given=None, force=False, processes=1
):
    """Load the models that read pages.

    Args:
        model: tuple of names, see `predictor.load`, or `(PAGE_READER,)`.
        given: `page_reader.Given`, what is known of all pages; for the page
            reader alone.
        force: give what was read on a page of an unknown layout, as doubtful,
            instead of refusing it.
        processes: how many of them read pages, see `reading_processes`; for
            the page reader alone.

    Returns:
        `Digitizer`, or `AnyPageDigitizer` of the page reader.

    Raises:
        InputError: there is no model, it is incomplete, or cannot be read.
    """
    if tuple(model) == (PAGE_READER,):
        reader = reading_processes.page_reader(given, processes)
        return AnyPageDigitizer(reader, force)
    return Digitizer(predictor.load(tuple(model)), force)


class Digitizer:
    """Reads the competition's pages with a `Predictor`.

    Args:
        predictor: see `predictor.load`.
        force: see `load_digitizer`.
    """

    def __init__(self, predictor, force=False):
        self.predictor, self.force = predictor, force

    def read(self, images):
        """Read images of one record; they give one answer together.

        Args:
            images: list of (H, W, 3) uint8 RGB.

        Returns:
            `DigitizedEcg`.

        Raises:
            InputError: the model's answer is not finite.
        """
        return self._of(self.predictor.read(images), np.arange(len(images)))

    def read_each(self, images):
        """Read images of a record each.

        Args:
            images: list of (H, W, 3) uint8 RGB.

        Returns:
            list of `DigitizedEcg`.

        Raises:
            InputError: an answer of the model is not finite.
        """
        reading = self.predictor.read(images)
        return [
            self._of(reading, np.array([index])) for index in range(len(images))
        ]

    def _of(self, reading, indices):
        """`DigitizedEcg` of some images of a `Reading`."""
        kept = indices[~reading.refused[indices]]
        quality, reasons = GOOD, ()
        if not len(kept):
            reasons, read_by = (NO_LAYOUT,), str(reading.read_by[indices[0]])
            if not self.force:
                nothing_mv = np.full_like(reading.signals_mv[0], np.nan)
                return DigitizedEcg(
                    nothing_mv,
                    quality=REFUSED,
                    reasons=reasons,
                    read_by=read_by,
                )
            quality = DOUBTFUL
            kept = indices
        signals_mv = reading.signals_mv[kept].mean(axis=0)
        if not np.isfinite(signals_mv).all():
            raise InputError("the model's answer is not finite")
        # Errors of one page's pictures are much alike: their mean, too.
        std_mv = reading.std_mv[kept].mean(axis=0)
        printed = printed_mask() > 0
        return DigitizedEcg(
            np.where(printed, signals_mv, np.float32(np.nan)),
            np.where(printed, std_mv, np.float32(np.nan)),
            layout="3x4+1",
            speed_mm_per_s=25.0,
            gain_mm_per_mv=10.0,
            rows=ROWS,
            traces_box=TRACES_BOX.get(str(reading.read_by[kept[0]])),
            quality=quality,
            reasons=reasons,
            read_by=str(reading.read_by[kept[0]]),
        )


class AnyPageDigitizer:
    """Reads pages of any layout with a `PageReader`, one by one.

    Args:
        page_reader: see `page_reader.load_page_reader`.
        force: see `load_digitizer`.
    """

    def __init__(self, page_reader, force=False):
        self.page_reader, self.force = page_reader, force

    def read(self, images):
        """Read images of one record; see `Digitizer.read`.

        Of images of which one is surer than the others it is that one's
        answer; of those that are as sure, and show the same, the mean.
        """
        answers = self.read_each(images)
        best = min(answers, key=lambda answer: answer.rank)
        same = [
            answer.signals_mv
            for answer in answers
            if (answer.rank, answer.layout, answer.signals_mv.shape)
            == (best.rank, best.layout, best.signals_mv.shape)
        ]
        if len(same) == 1:
            return best
        # What one image does not show, another may.
        shown = np.isfinite(same)
        total = np.where(shown, same, 0).sum(axis=0)
        count = shown.sum(axis=0)
        mean = np.where(count, total / np.maximum(count, 1), np.nan)
        return dataclasses.replace(best, signals_mv=mean.astype(np.float32))

    def read_each(self, images):
        """See `Digitizer.read_each`."""
        return [self._read(image) for image in images]

    def _read(self, image):
        digitized = self.page_reader.read(image).digitized
        forced = self.force and digitized.signals_mv.shape[1]
        if digitized.quality == REFUSED and forced:
            digitized = dataclasses.replace(digitized, quality=DOUBTFUL)
        return digitized

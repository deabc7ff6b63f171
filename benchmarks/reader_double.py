"""A reader that costs nothing: what it answers follows from the picture."""

import time

import numpy as np

from ecg_keras.ecg.digitized import REFUSED, DigitizedEcg


class ReaderDouble:
    """Stands for a model where files and processes are tried, not networks."""

    def read_each(self, images):
        return [self.read([image]) for image in images]

    def read(self, images):
        """`DigitizedEcg` of the first image; a dark one is refused."""
        image = images[0]
        seed = int(image.astype(np.int64).sum())
        walk = np.random.default_rng(seed).normal(0, 0.03, (12, 5000))
        signals_mv = walk.cumsum(axis=1).clip(-3, 3).astype(np.float32)
        if image.mean() < 50:
            nothing_mv = np.full_like(signals_mv, np.nan)
            return DigitizedEcg(
                nothing_mv, quality=REFUSED, reasons=("it is dark",)
            )
        return DigitizedEcg(signals_mv, layout="3x4+1", read_by="double")


class SlowDouble(ReaderDouble):
    """Takes 50 ms a page, so that a run can be stopped on its way."""

    def read(self, images):
        time.sleep(0.05)
        return super().read(images)


class SlowPredictor:
    """Stands for a `Predictor`; takes 50 ms an image."""

    def read(self, images):
        answers = SlowDouble().read_each(images)
        return _Signals(np.stack([answer.signals_mv for answer in answers]))


class _Signals:
    def __init__(self, signals_mv):
        self.signals_mv = np.nan_to_num(signals_mv)

    def refusals(self, images):
        return {}

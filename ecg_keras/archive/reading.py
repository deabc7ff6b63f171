"""Beam's handler of our models: batches of opened pages -> pages read."""

import dataclasses
import os
import threading
import time

from apache_beam.ml.inference.base import ModelHandler

from ecg_keras.archive.opening import ArchivePage
from ecg_keras.documents.failures import is_of_the_machine, told
from ecg_keras.packaged import DEFAULT_MODEL
from ecg_keras.user_cache import keep_compiled_programs

BATCH_SIZE = 8


class PageModelHandler(ModelHandler[ArchivePage, ArchivePage, object]):
    """Reads pages with one model a process, whatever the number of threads.

    Args:
        model: tuple of names, see `digitizer.load_digitizer`; or one, the
            folder of a SavedModel that `export.py` wrote.
        given: see `digitizer.load_digitizer`.
        force: see `digitizer.load_digitizer`.
        batch_size: pages at once. The last batch of a bundle may hold fewer.
        load: function without arguments that gives something with
            `read_each`, instead of `model`; it is pickled by its name.
    """

    def __init__(
        self,
        model=(DEFAULT_MODEL,),
        given=None,
        force=False,
        batch_size=BATCH_SIZE,
        load=None,
    ):
        super().__init__()
        self.model, self.given, self.force = tuple(model), given, force
        self.batch_size, self.load = batch_size, load
        # Keras takes it from the environment, which workers do not share.
        self.backend = os.environ.get("KERAS_BACKEND")

    def load_model(self):
        """See `ModelHandler.load_model`.

        Raises:
            InputError: there is no model, or it cannot be read.
        """
        if self.load is not None:
            return _Shared(self.load())
        if self.backend:
            os.environ["KERAS_BACKEND"] = self.backend
        keep_compiled_programs()
        from ecg_keras.archive.saved_model import is_saved_model

        if len(self.model) == 1 and is_saved_model(self.model[0]):
            from ecg_keras.archive.saved_model import load_saved_model

            return _Shared(load_saved_model(self.model[0], self.force))
        from ecg_keras.digitizer import load_digitizer

        return _Shared(load_digitizer(self.model, self.given, self.force))

    def run_inference(self, batch, model, inference_args=None):
        """Read a batch.

        Args:
            batch: list of `ArchivePage`; those without pixels pass.
            model: what `load_model` gave.

        Returns:
            list of `ArchivePage` without pixels, in the same order. A page
            that makes the model fail has a `failure`; the others do not.
        """
        waiting = [page for page in batch if page.pixels is not None]
        answers = iter(_read(waiting, model))
        return [
            page if page.pixels is None else next(answers) for page in batch
        ]

    def batch_elements_kwargs(self):
        return {
            "min_batch_size": self.batch_size,
            "max_batch_size": self.batch_size,
        }

    def get_metrics_namespace(self):
        return "ecg_keras"


class _Shared:
    """A model that one thread uses at a time."""

    def __init__(self, digitizer):
        self.digitizer, self.lock = digitizer, threading.Lock()

    def read_each(self, images):
        with self.lock:
            return self.digitizer.read_each(images)


def _read(pages, model):
    """`ArchivePage`s with their answers."""
    if not pages:
        return []
    start_s = time.perf_counter()
    try:
        answers = model.read_each([page.pixels for page in pages])
        failures = [None] * len(pages)
    except Exception as error:
        if is_of_the_machine(error):
            raise
        if len(pages) > 1:
            # One page's fault is not that of its batch.
            return [read for page in pages for read in _read([page], model)]
        answers, failures = [None], [told(error)]
    seconds = (time.perf_counter() - start_s) / len(pages)
    return [
        dataclasses.replace(
            page,
            pixels=None,
            digitized=answer and answer.doubted(page.damage),
            failure=failure,
            seconds=page.seconds + seconds,
        )
        for page, answer, failure in zip(pages, answers, failures, strict=True)
    ]

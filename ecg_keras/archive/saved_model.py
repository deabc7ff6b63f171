"""Pages read with a SavedModel that `export.py` wrote."""

from pathlib import Path

import numpy as np

from ecg_keras.digitizer import Digitizer
from ecg_keras.errors import InputError
from ecg_keras.predictor import Reading


def is_saved_model(folder):
    """Whether a path is the folder of a SavedModel."""
    return (Path(folder) / "saved_model.pb").is_file()


def load_saved_model(folder, force=False):
    """The `Digitizer` of a SavedModel.

    Args:
        folder: see `exporting.writers.write_saved_model`.
        force: see `digitizer.load_digitizer`.

    Raises:
        InputError: it cannot be read, or answers no signals.
    """
    import tensorflow as tf

    try:
        module = tf.saved_model.load(str(folder))
        serve = module.signatures["serving_default"]
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{folder} is no SavedModel: {error}") from None
    if "signals" not in serve.structured_outputs:
        raise InputError(
            f"{folder}: expected a SavedModel that answers signals. Received: "
            f"{sorted(serve.structured_outputs)}"
        )
    return Digitizer(_SavedPredictor(module, serve, str(folder)), force)


class _SavedPredictor:
    """What `predictor.Predictor.read` does, with a SavedModel."""

    def __init__(self, module, serve, name):
        # The signature alone does not keep the weights.
        self.module, self.serve, self.name = module, serve, name

    def read(self, images):
        import tensorflow as tf

        answers = []
        for image in images:
            answer = self.serve(image=tf.constant(image[None]))
            answers.append({name: x.numpy()[0] for name, x in answer.items()})
        signals_mv = np.stack([answer["signals"] for answer in answers])
        nothing = np.full_like(signals_mv[0], np.nan)
        return Reading(
            signals_mv,
            np.stack([answer.get("std_mv", nothing) for answer in answers]),
            np.array(
                [float(answer.get("layout_found", 1)) for answer in answers],
                np.float32,
            ),
            np.full(len(images), self.name, object),
        )

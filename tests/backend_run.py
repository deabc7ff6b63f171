"""What every backend has to do alike; run by test_backends in a process each.

KERAS_BACKEND=torch python -m tests.backend_run MODEL OUTPUT.npz
"""

import sys

import keras
import numpy as np

from ecg_keras.drawing.clean_page import render_page
from ecg_keras.drawing.image_types import degrade
from ecg_keras.ecg.resampling import from_grid
from ecg_keras.ecg.synthesis import simulate
from ecg_keras.models.architectures import ENCODERS
from ecg_keras.models.backbone import build_encoder
from ecg_keras.models.regressor import build_regressor
from ecg_keras.models.saving import without_initialisers
from ecg_keras.predictor import load
from ecg_keras.training.losses import SignalLoss


class Guess(keras.layers.Layer):
    """A prediction that is all weights: its gradient is that of the loss."""

    def __init__(self, values):
        super().__init__()
        self.values = self.add_weight(
            shape=values.shape,
            initializer=keras.initializers.Constant(values),
        )

    def call(self, x):
        return self.values + 0 * x


def loss_gradient(target, found):
    """Gradient of the loss by a step of plain descent with rate 1."""
    guess = Guess(found)
    model = keras.Sequential([guess])
    model.compile(
        keras.optimizers.SGD(1.0), SignalLoss(reduction="sum"), run_eagerly=True
    )
    model.train_on_batch(np.zeros_like(found), target)
    return found - keras.ops.convert_to_numpy(guess.values)


def cases():
    """Targets, partly not printed, flat or met exactly; and predictions."""
    rng = np.random.default_rng(3)
    target, found = rng.normal(size=(2, 4, 3, 20)).astype("float32")
    target[0, 1, 5:] = np.nan
    target[1, 2] = np.nan
    target[2, 0] = 0.0
    found[3] = target[3]
    return target, found


def tracer_page():
    """A scan for the tracer, (H, W, 3) uint8."""
    rng = np.random.default_rng(12)
    page = render_page(from_grid(simulate(rng), 500), 500)
    return degrade(page, "0003", rng)[0]


def parameter_counts():
    """Parameters of the encoders and of the whole model, in M.

    On one backend: the whole model fills a gigabyte.
    """
    if keras.backend.backend() != "jax":
        return {}
    with without_initialisers():
        counts = {
            name: build_encoder(name, "none")[1].count_params()
            for name in ENCODERS
        }
        counts["regressor"] = build_regressor(
            (64, 64), weights="none"
        ).count_params()
    return {name: count / 1e6 for name, count in counts.items()}


def main(model_file, output):
    target, found = cases()
    images = np.random.default_rng(1).integers(0, 256, (3, 40, 50, 3), np.uint8)
    predictor = load(model_file)
    np.savez(
        output,
        loss=float(SignalLoss()(target, found)),
        gradient=loss_gradient(target, found),
        prediction=predictor.predict(list(images)),
        tracer=load("tracer").predict([tracer_page()]),
        tensorflow_gpus=_visible_gpus(),
        **parameter_counts(),
    )


def _visible_gpus():
    import ecg_keras.data.page_batches as pipeline

    return len(pipeline.tf.config.get_visible_devices("GPU"))


if __name__ == "__main__":
    main(*sys.argv[1:])

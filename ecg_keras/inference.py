"""Load a trained model and turn images into signals."""

import zipfile
from pathlib import Path

import keras
import numpy as np

# Registers the losses that a saved model may name.
import ecg_keras.losses  # noqa: F401
from ecg_keras.errors import InputError
from ecg_keras.images import read_resized, resize

MODEL_FILE = "best_model.keras"


def load(path):
    """Load a model for inference.

    Args:
        path: a `.keras` file, or the folder of a training run.

    Returns:
        `Predictor`.

    Raises:
        InputError: there is no model, or it cannot be read.
    """
    path = Path(path)
    file = path / MODEL_FILE if path.is_dir() else path
    if not file.is_file():
        raise InputError(
            f"{path}: no model there. Expected a .keras file, or a run's "
            f"folder with {MODEL_FILE}"
        )
    # keras-hub registers the layers of its backbones when it is imported.
    import keras_hub  # noqa: F401

    try:
        # Keras's safe mode stays on: a file cannot bring code.
        model = keras.models.load_model(file, compile=False)
    except (ValueError, OSError, KeyError, TypeError, zipfile.BadZipFile) as e:
        raise InputError(f"{file} is no model that can be read: {e}") from e
    return Predictor(model)


class Predictor:
    """A model and the image size that it wants.

    Args:
        model: keras.Model, `image` (B, H, W, 3) to `signals` (B, 12, 5000).
    """

    def __init__(self, model):
        self.model = model
        self.image_size = tuple(model.input_shape[1:3])

    def predict(self, images, batch_size=8):
        """Signals of some images.

        Args:
            images: list of file names, or of (H, W, 3) uint8 arrays.
            batch_size: images at once.

        Returns:
            (n, 12, 5000) float32 mV at 500 Hz.

        Raises:
            InputError: an image cannot be read.
        """
        found = []
        for start in range(0, len(images), batch_size):
            batch = images[start : start + batch_size]
            pixels = np.stack([self._pixels(image) for image in batch])
            found.append(self.model.predict_on_batch(pixels))
        return np.concatenate(found).astype(np.float32)

    def _pixels(self, image):
        if isinstance(image, np.ndarray):
            return resize(image, *self.image_size)
        return read_resized(image, *self.image_size)

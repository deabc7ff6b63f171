"""A Keras model in formats that need neither Keras nor this package.

Formats are written on the backend that does them best, whatever backend trained
the model, in one process for each backend: a SavedModel that JAX makes runs XLA
inside and is slow on a CPU, torch makes none, and only JAX makes good ONNX.

    KERAS_BACKEND=tensorflow \\
        python -m ecg_keras.exporting.writers MODEL \\
        --format saved_model DIR --format litert FILE
"""

import argparse
import sys
from pathlib import Path

import keras

from ecg_keras.errors import InputError
from ecg_keras.predictor import load
from ecg_keras.settings import run_command

# Smaller weights, such as those of normalisation, stay in 32 bits.
HALF_FROM_SIZE = 4096


def write_saved_model(predictor, path, half=False):
    """Write a model with its input contract.

    The signature `serving_default` takes `image`, uint8 (B, any H, any W, 3)
    RGB, resizes it and answers `signals`, float32 (B, 12, 5000) mV, and what
    else the model says.

    Args:
        predictor: `inference.Predictor` of one model, on tensorflow.
        path: folder to write.
        half: store large weights in 16 bits; sums are still in 32.
    """
    import tensorflow as tf

    model, image_size = predictor.model, predictor.image_size
    # A plain module: `model.export` would write all weights twice.
    module = tf.Module()
    trained = [variable.value for variable in model.trainable_variables]
    fixed = [variable.value for variable in model.non_trainable_variables]
    if half:
        module.weights = [_halved(weight) for weight in (*trained, *fixed)]
    else:
        module.weights = [*trained, *fixed]
    n_trained = len(trained)
    dtypes = [weight.dtype for weight in (*trained, *fixed)]

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, None, None, 3), tf.uint8, name="image")
        ]
    )
    def serve(image):
        pixels = resize(image, *image_size)
        weights = [
            tf.cast(weight, dtype)
            for weight, dtype in zip(module.weights, dtypes, strict=True)
        ]
        answer, _ = model.stateless_call(
            weights[:n_trained], weights[n_trained:], pixels, training=False
        )
        return answer if isinstance(answer, dict) else {"signals": answer}

    module.serve = serve
    tf.saved_model.save(module, path, signatures={"serving_default": serve})


def resize(image, height, width):
    """`images.resize` in TensorFlow: by area, linear where an axis grows.

    Args:
        image: (B, h, w, 3) uint8 tensor.
        height, width: the new size in px.

    Returns:
        (B, height, width, 3) float32 tensor of whole numbers.
    """
    import tensorflow as tf

    shape = tf.shape(image)
    shrunk = tf.minimum((height, width), shape[1:3])
    pixels = tf.image.resize(image, shrunk, method="area")
    pixels = tf.round(pixels)
    pixels = tf.image.resize(pixels, (height, width), method="bilinear")
    return tf.ensure_shape(tf.round(pixels), (None, height, width, 3))


def _halved(weight):
    import tensorflow as tf

    large = weight.dtype == tf.float32 and tf.size(weight) >= HALF_FROM_SIZE
    return tf.Variable(
        tf.cast(weight, tf.float16) if large else weight, trainable=False
    )


def write_onnx(predictor, path, half=False):
    """Write a model as ONNX, for images that have the model's size already.

    Input `image`, float32 (B, H, W, 3), 0..255 RGB; output `signals`.

    Args:
        predictor: `inference.Predictor` of one model, on jax.
        path: file to write.
        half: not done here; the SavedModel is what gets smaller.
    """
    import onnx

    signature = _signature(predictor, None)
    predictor.model.export(
        path, format="onnx", verbose=False, input_signature=[signature]
    )
    graph = onnx.load(path)
    # Weights go into the one file, not into a neighbour of it.
    Path(f"{path}.data").unlink(missing_ok=True)
    for output, name in zip(
        graph.graph.output, _output_names(predictor.model), strict=True
    ):
        _rename(graph.graph.node, output.name, name)
        output.name = name
    onnx.save(graph, path)


def _output_names(model):
    """Names of a model's outputs, in the order in which JAX flattens them."""
    if isinstance(model.output, dict):
        return sorted(model.output)
    return ["signals"]


def _rename(nodes, old_name, new_name):
    for node in nodes:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                if name == old_name:
                    names[index] = new_name


def write_litert(predictor, path, half=False):
    """Write a model as LiteRT, for one image of the model's size at a time.

    Input float32 (1, H, W, 3), 0..255 RGB.

    Args:
        predictor: `inference.Predictor` of one model, on tensorflow.
        path: file to write.
        half: not done here; the SavedModel is what gets smaller.
    """
    predictor.model.export(
        path,
        format="litert",
        verbose=False,
        input_signature=[_signature(predictor, 1)],
    )


def _signature(predictor, batch_size):
    shape = (batch_size, *predictor.image_size, 3)
    return keras.InputSpec(shape=shape, dtype="float32", name="image")


# Format: (backend that writes it, function).
WRITERS = {
    "saved_model": ("tensorflow", write_saved_model),
    "onnx": ("jax", write_onnx),
    "litert": ("tensorflow", write_litert),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument(
        "--format",
        nargs=2,
        action="append",
        required=True,
        metavar=("FORMAT", "PATH"),
    )
    parser.add_argument("--half", action="store_true")
    flags = parser.parse_args()
    predictor = load(flags.model)
    for name, path in flags.format:
        _, write = WRITERS[name]
        try:
            write(predictor, path, flags.half)
        except ImportError as error:
            raise InputError(
                f"the format {name} needs more packages ({error}): "
                "pip install 'ecg_keras[onnx]'"
            ) from error


if __name__ == "__main__":
    sys.exit(run_command(main))

"""The page reader's networks in formats that need no Keras.

    KERAS_BACKEND=tensorflow \\
        python -m ecg_keras.exporting.reader_writers saved_model DIR

Each part has the name and the input that `portable_reader` asks for.
"""

import sys
from pathlib import Path

import numpy as np

from ecg_keras.exporting.portable_reader import PATH, PATH_SAMPLES
from ecg_keras.models.architectures import columns_multiple
from ecg_keras.models.layout.lead_names import PART_PX
from ecg_keras.models.reading.likely_path import decoder
from ecg_keras.models.weight_files import read_packaged_network
from ecg_keras.packaged import READER_WEIGHTS
from ecg_keras.page.row_images import N_BINS, STRIP_HEIGHT
from ecg_keras.page_reader import NAMES, ROWS
from ecg_keras.settings import run_command


def _parts():
    """(name, network, shape of its input) of each part.

    None stands for a width that each call chooses.
    """
    rows, names = (
        read_packaged_network(READER_WEIGHTS, name) for name in (ROWS, NAMES)
    )
    n_channels = rows.input_shape[-1]
    yield ROWS, rows, (1, STRIP_HEIGHT, None, n_channels)
    yield NAMES, names, (1, PART_PX, PART_PX, 1)
    for length in PATH_SAMPLES:
        yield PATH.format(length), decoder(length), (1, N_BINS, length)


def write_saved_model(path):
    """Write a SavedModel with a signature for each part; under TensorFlow."""
    import tensorflow as tf

    module, signatures = tf.Module(), {}
    module.weights = []
    for name, network, shape in _parts():
        module.weights += [v.value for v in network.variables]
        signatures[name] = tf.function(
            _function_of(network),
            input_signature=[tf.TensorSpec(shape, tf.float32, name="x")],
        )
    module.parts = list(signatures.values())
    tf.saved_model.save(module, path, signatures=signatures)


def write_onnx(path):
    """Write a folder with an ONNX file for each part; under JAX."""
    import jax
    import onnx
    from jax2onnx import to_onnx

    path = Path(path)
    path.mkdir()
    (width,) = jax.export.symbolic_shape("w")
    width = columns_multiple() * width
    for name, network, shape in _parts():
        shape = tuple(width if side is None else side for side in shape)
        given = jax.ShapeDtypeStruct(shape, np.float32)
        onnx.save(
            to_onnx(_function_of(network), inputs=[given], model_name=name),
            path / f"{name}.onnx",
        )


def _function_of(network):
    trained = [v.value for v in network.trainable_variables]
    fixed = [v.value for v in network.non_trainable_variables]

    def run(x):
        answer, _ = network.stateless_call(trained, fixed, x, training=False)
        answers = answer if isinstance(answer, (list, tuple)) else [answer]
        return {f"output_{k}": values for k, values in enumerate(answers)}

    return run


WRITERS = {"saved_model": write_saved_model, "onnx": write_onnx}


def main():
    name, path = sys.argv[1:]
    WRITERS[name](path)


if __name__ == "__main__":
    sys.exit(run_command(main))

"""Run exported models as a stranger would: without Keras and this package."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from ecg_keras.errors import InputError

# "error: ..." of a command of ours, "SomeError: ..." of a traceback.
_NAMES_ERROR = re.compile(r"error: |[\w.]+(Error|Exception)(: |$)")

# Each runs in a fresh interpreter; arguments: model, input npz, output npz.
_SAVED_MODEL = """
import sys
# Importing any of these is an error from here on.
sys.modules.update(dict.fromkeys(["keras", "keras_hub", "ecg_keras"]))
import numpy as np
import tensorflow as tf
module = tf.saved_model.load(sys.argv[1])
serve = module.signatures["serving_default"]
pages = np.load(sys.argv[2])
answers = [
    serve(image=tf.constant(pages[f"arr_{i}"][None]))["signals"].numpy()[0]
    for i in range(len(pages))
]
np.savez(sys.argv[3], np.stack(answers))
"""
_LITERT = """
import sys
import warnings
import numpy as np
warnings.simplefilter("ignore")
try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:
    import tensorflow
    Interpreter = tensorflow.lite.Interpreter
runner = Interpreter(sys.argv[1]).get_signature_runner()
[name] = runner.get_input_details()
pixels = np.load(sys.argv[2])["arr_0"]
answers = [runner(**{name: p[None]}) for p in pixels]
# Outputs have numbers for names; of those of one shape signals come first.
answers = [
    next(a[k] for k in sorted(a) if a[k].shape == (1, 12, 5000))[0]
    for a in answers
]
np.savez(sys.argv[3], np.stack(answers))
"""


def run_saved_model(path, pages):
    """Answers of a SavedModel.

    Args:
        path: its folder.
        pages: list of (H, W, 3) uint8 images of any sizes.

    Returns:
        (n, 12, 5000) float32 mV.
    """
    return _run(_SAVED_MODEL, path, pages)


def run_litert(path, pixels):
    """Answers of a LiteRT file to images (n, H, W, 3) float32."""
    return _run(_LITERT, path, [pixels])


def run_onnx(path, pixels):
    """Answers of an ONNX file to images (n, H, W, 3) float32."""
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError(
            f"ONNX needs more packages ({error}): pip install 'ecg_keras[onnx]'"
        ) from error
    session = onnxruntime.InferenceSession(
        path, providers=["CPUExecutionProvider"]
    )
    return session.run(["signals"], {"image": pixels})[0]


def error_line(stderr):
    """The line of a process's last words that names the error."""
    lines = stderr.strip().splitlines() or ["no message"]
    named = [line for line in lines if _NAMES_ERROR.match(line)]
    return (named or lines)[-1]


def _run(code, path, arrays):
    with tempfile.TemporaryDirectory() as folder:
        sent, answered = Path(folder) / "in.npz", Path(folder) / "out.npz"
        np.savez(sent, *arrays)
        done = subprocess.run(
            [sys.executable, "-c", code, str(path), sent, answered],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise InputError(f"{path} does not run: {error_line(done.stderr)}")
        return np.load(answered)["arr_0"]

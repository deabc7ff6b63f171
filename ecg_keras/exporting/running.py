"""Run exported models as a stranger would: without Keras and this package."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from ecg_keras.errors import InputError

_PROGRAMS = Path(__file__).parent / "standalone"
_PROGRAM_OF = {
    "saved_model": "saved_model.py",
    "onnx": "onnx_file.py",
    "litert": "litert.py",
    "reader": "reader.py",
}
# "error: ..." of a command of ours, "SomeError: ..." of a traceback.
_NAMES_ERROR = re.compile(r"error: |[\w.]+(Error|Exception)(: |$)")


def run_standalone(name, path, images):
    """Answers of an exported model, by a program of its own.

    Args:
        name: "saved_model", "onnx", "litert" or "reader".
        path: its file or folder; of the reader that of its networks.
        images: list of (H, W, 3): uint8 of any sizes for a SavedModel and the
            reader, float32 of the model's size for the others.

    Returns:
        dict: name of each output -> array (n, ...) float32; of the reader see
        `standalone.reader`.

    Raises:
        InputError: it does not run.
    """
    with tempfile.TemporaryDirectory() as folder:
        sent, answered = Path(folder) / "in.npz", Path(folder) / "out.npz"
        np.savez(sent, *images)
        # -P: the program's folder is no place to import from.
        done = subprocess.run(
            [sys.executable, "-P", _PROGRAMS / _PROGRAM_OF[name],
             str(path), sent, answered],
            capture_output=True,
            text=True,
        )  # fmt: skip
        if done.returncode:
            raise InputError(f"{path} does not run: {error_line(done.stderr)}")
        with np.load(answered) as answers:
            return dict(answers)


def error_line(stderr):
    """The line of a process's last words that names the error."""
    lines = stderr.strip().splitlines() or ["no message"]
    named = [line for line in lines if _NAMES_ERROR.match(line)]
    return (named or lines)[-1]

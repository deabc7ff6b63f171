"""The page reader as one program, and its networks in formats of others.

reader.pyz       what this package does with pages, without Keras: see
                 `portable_reader`; a Python zip archive
saved_model/     its networks, for TensorFlow
onnx/            likewise for ONNX Runtime, with `--format onnx`
export.json      what it is, checksums, how close it is

The reader's geometry is NumPy and OpenCV, which no graph of tensors holds: its
modules are copied into the program as they are, under the name `ecg_reader`.
"""

import re
import subprocess
import sys
import tempfile
import zipapp
from pathlib import Path

import numpy as np

from ecg_keras.drawing.folder import RenderConfig, draw_any_page
from ecg_keras.errors import InputError
from ecg_keras.exporting.running import error_line
from ecg_keras.page_reader import load_page_reader

PROGRAM, PACKAGE = "reader.pyz", "ecg_reader"
# Format of its networks: the backend on which `reader_writers` writes it.
WRITERS = {"saved_model": "tensorflow", "onnx": "jax"}
# Prints the files of the modules that the program needs.
_LIST_MODULES = """
import sys
import ecg_keras.exporting.portable_reader
assert "keras" not in sys.modules, "the portable reader imports Keras"
for name, module in sorted(sys.modules.items()):
    if name.startswith("ecg_keras."):
        print(module.__file__)
"""
_INIT = '''"""Reads pages of ECGs; see `portable_reader`."""

from ecg_reader.exporting.portable_reader import Given, load, main

__all__ = ["Given", "load", "main"]
'''
_MAIN = """import sys

from ecg_reader import main

sys.exit(main())
"""
# This package where a module imports from it.
_OWN = re.compile(r"\becg_keras(?=\.| import)")
# A drawn page that is no page of the competition's: names, layout and pulses
# are looked for there.
_PAGE_SEED, _PAGE_INDEX = 11, 11


def write_program(path):
    """Write the program: a zip archive that Python runs and imports from.

    Args:
        path: the `.pyz` to write.
    """
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", _LIST_MODULES], capture_output=True, text=True
    )
    if done.returncode:
        raise InputError(
            f"{path} could not be written: {error_line(done.stderr)}"
        )
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / PACKAGE
        for file in map(Path, done.stdout.split()):
            copy = package / file.relative_to(root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            text = file.read_text(encoding="utf-8")
            copy.write_text(_OWN.sub(PACKAGE, text), encoding="utf-8")
        (package / "__init__.py").write_text(_INIT)
        (Path(folder) / "__main__.py").write_text(_MAIN)
        zipapp.create_archive(folder, path, compressed=True)


def parity_page():
    """A drawn page of no known maker, (H, W, 3) uint8."""
    config = RenderConfig(variety="any", seed=_PAGE_SEED)
    return draw_any_page(config, _PAGE_INDEX).image


def readings_of(pages):
    """What this package's reader answers.

    Args:
        pages: list of (H, W, 3) uint8.

    Returns:
        dict of arrays, as `standalone.reader` has them.
    """
    reader, answers = load_page_reader(), {}
    for k, page in enumerate(pages):
        found = reader.read(page).digitized
        answers[f"{k} signals"] = found.signals_mv
        answers[f"{k} std_mv"] = found.std_mv
        answers[f"{k} layout"] = np.array(str(found.layout))
        answers[f"{k} quality"] = np.array(found.quality)
    return answers

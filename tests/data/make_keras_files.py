"""Write a small model with the Keras that is installed, for tests of reading.

    python -m tests.data.make_keras_files

writes regressor_keras_VERSION.keras beside this file. It was run once with each
version whose file is here; all files hold the same weights.
"""

import io
import zipfile
from pathlib import Path

import keras
import numpy as np

from tests.models import build_tiny

FOLDER = Path(__file__).parent


def main():
    model = build_tiny(0, (32, 48), head_units=(1,))
    rng = np.random.default_rng(0)
    for variable in model.weights:
        values = rng.uniform(0.1, 0.5, variable.shape)
        if "head_signals" in variable.path:
            # Equal values, which the archive stores in little space.
            values = np.full(variable.shape, 0.25)
        variable.assign(values.astype(np.float32))
    written = io.BytesIO()
    file = FOLDER / f"regressor_keras_{keras.version()}.keras"
    model.save(file)
    with (
        zipfile.ZipFile(file) as archive,
        zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in archive.namelist():
            packed.writestr(name, archive.read(name))
    file.write_bytes(written.getvalue())
    print(file.name, file.stat().st_size)


if __name__ == "__main__":
    main()

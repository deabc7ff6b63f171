"""Answers of an exported page reader: see this folder's `__init__.py`.

ANSWERS.npz holds, for image k, `k signals` and `k std_mv` (12, T), `k layout`
and `k quality`.
"""

import sys
from pathlib import Path

import numpy as np

# Importing any of these is an error from here on.
sys.modules.update(dict.fromkeys(["keras", "keras_hub", "ecg_keras"]))


def main(networks, images_file, answers_file):
    sys.path.insert(0, str(Path(networks).with_name("reader.pyz")))
    import ecg_reader

    reader = ecg_reader.load(networks)
    answers = {}
    with np.load(images_file) as images:
        for k, name in enumerate(images.files):
            found = reader.read(images[name]).digitized
            answers[f"{k} signals"] = found.signals_mv
            answers[f"{k} std_mv"] = found.std_mv
            answers[f"{k} layout"] = str(found.layout)
            answers[f"{k} quality"] = found.quality
    np.savez(answers_file, **answers)


if __name__ == "__main__":
    main(*sys.argv[1:])

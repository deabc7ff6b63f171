"""Answers of a SavedModel: see this folder's `__init__.py`."""

import sys

# Importing any of these is an error from here on.
sys.modules.update(dict.fromkeys(["keras", "keras_hub", "ecg_keras"]))

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402


def main(model, images_file, answers_file):
    module = tf.saved_model.load(model)
    serve = module.signatures["serving_default"]
    images = np.load(images_file)
    answers = [
        serve(image=tf.constant(images[name][None])) for name in images.files
    ]
    np.savez(
        answers_file,
        **{
            name: np.concatenate([answer[name].numpy() for answer in answers])
            for name in answers[0]
        },
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

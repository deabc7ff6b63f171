"""Answers of an ONNX file: see this folder's `__init__.py`."""

import sys

import numpy as np
import onnxruntime


def main(model, images_file, answers_file):
    session = onnxruntime.InferenceSession(
        model, providers=["CPUExecutionProvider"]
    )
    outputs = [output.name for output in session.get_outputs()]
    images = np.load(images_file)
    answers = [
        session.run(outputs, {"image": images[name][None]})
        for name in images.files
    ]
    columns = zip(*answers, strict=True)
    np.savez(
        answers_file,
        **{
            name: np.concatenate(column)
            for name, column in zip(outputs, columns, strict=True)
        },
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

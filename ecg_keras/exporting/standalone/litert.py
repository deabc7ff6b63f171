"""Answers of a LiteRT file: see this folder's `__init__.py`.

LiteRT numbers the outputs `output_0` and so on: in the order of their names,
which are `layout_found`, `signals` and `std_mv` where there are three.
"""

import sys
import warnings

import numpy as np

# TensorFlow's interpreter says that its successor has another name.
warnings.simplefilter("ignore")
try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:
    import tensorflow

    Interpreter = tensorflow.lite.Interpreter

NAMES = {1: ("signals",), 3: ("layout_found", "signals", "std_mv")}


def main(model, images_file, answers_file):
    runner = Interpreter(model).get_signature_runner()
    [given] = runner.get_input_details()
    numbers = sorted(runner.get_output_details())
    names = dict(zip(numbers, NAMES[len(numbers)], strict=True))
    images = np.load(images_file)
    answers = [runner(**{given: images[name][None]}) for name in images.files]
    np.savez(
        answers_file,
        **{
            name: np.concatenate([answer[number] for answer in answers])
            for number, name in names.items()
        },
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

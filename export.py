"""Export a trained model for inference elsewhere.

    python export.py --model RUN_OR_KERAS_FILE --output-dir DIR

writes a .keras file without the optimizer, a SavedModel that TensorFlow loads
without Keras, and a summary; each is compared with the model it came from.

    python export.py --model reader --output-dir DIR

writes the reader of pages of any layout as one program that needs no Keras,
reader.pyz, and its networks.
"""

import sys

from ecg_keras.settings import parse_flags, run_command


def main():
    from ecg_keras.exporting.export import ExportConfig, export

    export(parse_flags(ExportConfig, __doc__))


if __name__ == "__main__":
    sys.exit(run_command(main))

"""ecg-keras COMMAND, or python -m ecg_keras COMMAND.

The commands beside train.py and export.py.
"""

import argparse
import os
import sys
from importlib.util import find_spec
from pathlib import Path

from ecg_keras.settings import add_flags, from_namespace, run_command
from ecg_keras.version import __version__


def _render():
    from ecg_keras.drawing.folder import RenderConfig, render_dataset

    return RenderConfig, render_dataset


def _evaluate():
    from ecg_keras.commands.evaluate import EvaluateConfig, evaluate

    return EvaluateConfig, evaluate


def _digitize():
    from ecg_keras.commands.digitize import DigitizeConfig, run

    return DigitizeConfig, run


def _archive():
    from ecg_keras.archive.command import ArchiveConfig, run

    return ArchiveConfig, run


def _archive_check():
    from ecg_keras.archive.check import CheckConfig, check

    return CheckConfig, check


def _submit():
    from ecg_keras.commands.submit import SubmitConfig, submit

    return SubmitConfig, submit


def _signals():
    from ecg_keras.commands.signals import SignalsConfig, choose_signals

    return SignalsConfig, choose_signals


def _inspect():
    from ecg_keras.commands.inspect import InspectConfig, inspect

    return InspectConfig, inspect


def _app():
    from ecg_keras.app.command import AppConfig, run

    return AppConfig, run


# Each loader gives (config class, function of a config): a command imports
# what it needs and nothing else.
COMMANDS = {
    "signals": ("choose recordings to draw pages from", _signals),
    "render": ("draw pages in the competition's folder layout", _render),
    "digitize": ("turn images into signals", _digitize),
    "archive": ("read an archive's files on Apache Beam", _archive),
    "archive-check": ("say what an archive holds", _archive_check),
    "app": ("a local page to read, look at and correct pages", _app),
    "submit": ("write a submission to the competition", _submit),
    "inspect": ("draw where a page's millimetres were found", _inspect),
    "evaluate": ("score a model and the baselines on a folder", _evaluate),
}
NEED_BEAM = ("archive", "archive-check")


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    # NumPy reads it when it is imported. A page's matrices are small: where
    # other work is on the cores, OpenBLAS's threads wait for each other for
    # many times as long as they compute.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    by_module = Path(sys.argv[0]).name == "__main__.py"
    parser = argparse.ArgumentParser(
        prog="python -m ecg_keras" if by_module else "ecg-keras",
        description="The commands beside train.py and export.py.",
    )
    parser.add_argument(
        "--version", action="version", version=f"ecg_keras {__version__}"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (help_text, load) in COMMANDS.items():
        command = commands.add_parser(
            name, help=help_text, description=help_text
        )
        # Only the command that was asked for pays for its imports.
        if name in argv[:1]:
            if name in NEED_BEAM and not find_spec("apache_beam"):
                parser.error(
                    f"{name} needs Beam: pip install 'ecg_keras[beam]'"
                )
            config_class, run = load()
            add_flags(command, config_class)
            # `--rate` of another program is not our `--rate-hz`.
            command.allow_abbrev = not hasattr(config_class, "other_flags")
    namespace, others = parser.parse_known_args(argv)
    if others:
        if not hasattr(config_class, "other_flags"):
            parser.error(f"unrecognized arguments: {' '.join(others)}")
        namespace.other_flags = others
    return run_command(lambda: run(from_namespace(config_class, namespace)))


if __name__ == "__main__":
    sys.exit(main())

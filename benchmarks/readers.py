"""The reader, the tracers and a regressor on the same pages, type by type.

    python benchmarks/readers.py --data-dir PAGES --regressor runs/RUN

Scores each by `ecg-keras evaluate`, what is refused as zeros, and draws a bar
for each type of image. PAGES is a folder in the competition's layout.
"""

import dataclasses
import sys
from pathlib import Path

import numpy as np

from ecg_keras.commands.evaluate import (
    ALL_IMAGES,
    MODEL,
    EvaluateConfig,
    evaluate,
)
from ecg_keras.errors import InputError
from ecg_keras.files import replacing
from ecg_keras.settings import parse_flags, run_command, setting

COLOURS = {
    "zeros": "0.75",
    "regressor": "#cc7a00",
    "tracer": "#c00020",
    "photo_tracer": "#7a3f9d",
    "reader": "#0057d9",
}


@dataclasses.dataclass(frozen=True)
class ReadersConfig:
    """Settings of benchmarks/readers.py."""

    data_dir: str | None = setting(None, "pages, in the competition's layout")
    regressor: str | None = setting(None, "run of a regressor, to show it too")
    output: str = setting("runs/readers.png", "picture to write")


def main():
    config = parse_flags(ReadersConfig, __doc__.split("\n")[0])
    if not config.data_dir:
        raise InputError("--data-dir is missing")
    models = {name: name for name in ("tracer", "photo_tracer", "reader")}
    if config.regressor:
        models = {"regressor": config.regressor, **models}
    scores = {}
    for name, model in models.items():
        table = evaluate(EvaluateConfig((model,), config.data_dir, ("all",)))
        scores.setdefault("zeros", table["zeros"])
        scores[name] = table[MODEL]
    _plot(Path(config.output), scores)


def _plot(path, scores):
    """A group of bars for each type of image, and for all."""
    from matplotlib.figure import Figure

    figure = Figure((11, 3.6), layout="constrained")
    axes = figure.subplots()
    kinds = [kind for kind in scores["zeros"].index if kind != ALL_IMAGES]
    kinds.append(ALL_IMAGES)
    width = 0.8 / len(scores)
    for number, (name, table) in enumerate(scores.items()):
        x = np.arange(len(kinds)) + (number - (len(scores) - 1) / 2) * width
        bars = axes.bar(x, table[kinds], width, label=name, color=COLOURS[name])
        axes.bar_label(bars, fmt="%.0f", fontsize=6)
    axes.set_xticks(np.arange(len(kinds)), kinds)
    axes.set(xlabel="type of image", ylabel="score, dB")
    axes.legend(frameon=False, ncols=len(scores), loc="upper center")
    axes.margins(x=0.01, y=0.2)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        figure.savefig(partial, dpi=110, format="png")
    print(f"figure: {path}")


if __name__ == "__main__":
    sys.exit(run_command(main))

"""The regressor and the tracer, trained as long on the same pages.

    python benchmarks/side_by_side.py --data-dir PAGES --test-dir OTHERS

Trains one after the other from random weights, each for some minutes, with
`train.py`; scores both on other pages by the competition's metric, beside zeros
and the mean of other records; draws what was found on one lead.
PAGES has maps (`python -m ecg_keras render --maps`).
"""

import dataclasses
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from ecg_keras.commands.evaluate import ALL_IMAGES, EvaluateConfig, evaluate
from ecg_keras.ecg.leads import LEADS, RATE_HZ, printed_mask
from ecg_keras.ecg.records import read_records, read_signals
from ecg_keras.errors import InputError
from ecg_keras.files import replacing
from ecg_keras.models.saving import RUN_FILE
from ecg_keras.predictor import load
from ecg_keras.settings import parse_flags, run_command, setting

TRAIN = Path(__file__).parents[1] / "train.py"
LEAD, SHOWN_S = "V5", 2.5
COLOURS = {"regressor": "#cc7a00", "tracer": "#c00020"}


@dataclasses.dataclass(frozen=True)
class SideBySideConfig:
    """Settings of benchmarks/side_by_side.py."""

    data_dir: str | None = setting(None, "pages with maps, to train on")
    test_dir: str | None = setting(None, "pages to score on")
    output_dir: str = setting("runs/side_by_side", "folder for both runs")
    minutes: float = setting(10.0, "training time of each")
    regressor_flags: str = setting(
        "--image-size 256 320 --learning-rate 3e-4", "more flags of train.py"
    )
    tracer_flags: str = setting(
        "--epochs 4 --tracer-steps 150", "more flags of train.py"
    )


def main():
    config = parse_flags(SideBySideConfig, __doc__)
    if not (config.data_dir and config.test_dir):
        raise InputError("--data-dir and --test-dir are missing")
    output_dir = Path(config.output_dir)
    scores = {}
    for model in COLOURS:
        flags = getattr(config, f"{model}_flags").split()
        run_dir = output_dir / model
        taken_s = _train(config, model, run_dir, flags)
        table = evaluate(
            EvaluateConfig((str(run_dir),), config.test_dir, ("0001",))
        ).loc[ALL_IMAGES]
        scores[model] = table["model"]
        print(f"{model}: {taken_s / 60:.1f} min, {table['model']:.2f} dB")
        baselines = {name: table[name] for name in ("zeros", "mean of others")}
    _plot(config, output_dir, {**baselines, **scores})


def _train(config, model, run_dir, flags):
    """Train until the time is up; returns the seconds taken."""
    command = [
        sys.executable, TRAIN, "--model", model, "--weights", "none",
        "--data-dir", config.data_dir, "--output-dir", run_dir,
        "--train-split", "0.98", *flags,
    ]  # fmt: skip
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        process.wait(60 * config.minutes)
    except subprocess.TimeoutExpired:
        process.terminate()  # What an epoch left is whole.
        process.wait()
    if not (run_dir / RUN_FILE).exists():
        raise InputError(f"{run_dir}: not one epoch fits into --minutes")
    return time.perf_counter() - start


def _plot(config, output_dir, scores):
    """Scores, and one lead of one page as both read it."""
    from matplotlib.figure import Figure

    record = read_records(config.test_dir, ("0001",))[0]
    true_mv, _ = read_signals(record)
    index = LEADS.index(LEAD)
    at = np.flatnonzero(printed_mask()[index])[: int(SHOWN_S * RATE_HZ)]
    figure = Figure((10, 3.2), layout="constrained")
    bars, trace = figure.subplots(1, 2, width_ratios=(1, 2))
    colours = ["0.7", "0.7", *COLOURS.values()]
    shown = bars.bar(list(scores), list(scores.values()), color=colours)
    bars.bar_label(shown, fmt="%.1f")
    bars.margins(y=0.15)
    bars.set_ylabel("score, dB")
    bars.tick_params(axis="x", labelrotation=20)
    trace.plot(at / RATE_HZ, true_mv[index, at], color="0.2", label="printed")
    for model, colour in COLOURS.items():
        predictor = load(output_dir / model)
        found = predictor.read([record.image_paths["0001"]]).signals_mv[0]
        trace.plot(
            at / RATE_HZ, found[index, at], color=colour, lw=1, label=model
        )
    trace.set(xlabel="s", ylabel=f"{LEAD}, mV")
    trace.legend(frameon=False)
    figure.suptitle(f"Trained for {config.minutes:g} minutes on the same pages")
    with replacing(output_dir / "side_by_side.png") as partial:
        figure.savefig(partial, dpi=100, format="png")
    print(f"figure: {output_dir / 'side_by_side.png'}")


if __name__ == "__main__":
    sys.exit(run_command(main))

"""What each part of the tracer's read-out is worth.

    python benchmarks/ablation.py --data-dir PAGES [--images TYPE ...]

The networks run once for each page; then their distributions are read in the
tracer's way, and with one part left out or put back to what it replaced.
Competition metric, dB: the score, the median and the worst page. At last, what
the deviation says of the errors.
"""

import dataclasses
import sys
from collections import defaultdict

import keras
import numpy as np
from keras import ops
from tqdm import tqdm

from ecg_keras.ecg.leads import RATE_HZ
from ecg_keras.ecg.metrics import record_ratio, score_db
from ecg_keras.ecg.records import read_records, read_signals, read_table
from ecg_keras.ecg.resampling import from_grid
from ecg_keras.errors import InputError
from ecg_keras.models.reading.decoding import SMOOTHNESS, WINDOW_BINS
from ecg_keras.models.tracer import DecodeRows
from ecg_keras.page.images import read_resized
from ecg_keras.predictor import load
from ecg_keras.settings import parse_flags, run_command, setting

# Name: changes of `models.tracer.DecodeRows`.
READINGS = {
    "the tracer": {},
    "each column's mode, no path": {"smoothness": 0.0},
    "path, half as smooth": {"smoothness": SMOOTHNESS / 2},
    "path, twice as smooth": {"smoothness": SMOOTHNESS * 2},
    "full expectation": {"window_bins": None},
    "half the window": {"window_bins": WINDOW_BINS // 2},
    "twice the window": {"window_bins": WINDOW_BINS * 2},
    "no Einthoven, no Goldberger": {"relations": False},
}
ONE_COLUMN = "one sample for two of 500 Hz"
LINEAR = "linear resampling to fs"


@dataclasses.dataclass(frozen=True)
class AblationConfig:
    """Settings of benchmarks/ablation.py."""

    data_dir: str | None = setting(None, "folder of pages")
    images: tuple[str, ...] = setting(("0001",), "image types", metavar="TYPE")
    model: str = setting("tracer", "the tracer")


def main():
    config = parse_flags(AblationConfig, __doc__)
    if not config.data_dir:
        raise InputError("--data-dir is missing: a folder of pages")
    model = load(config.model).model
    networks = keras.Model(model.input, model.get_layer("read_out").input)
    read = {name: DecodeRows(**changes) for name, changes in READINGS.items()}
    ratios, sure = defaultdict(list), []
    for record in tqdm(read_records(config.data_dir, config.images)):
        table = read_table(record.signals_path, record.n_samples)
        truth, printed = read_signals(record)

        def score(name, found, record=record, table=table):
            ratios[name].append(record_ratio(table, found, record.rate_hz))

        for path in record.image_paths.values():
            image = read_resized(path, *model.input_shape[1:3])
            logits = networks.predict_on_batch(image[None])
            for name, layer in read.items():
                signals, std_mv, _ = layer(logits)
                signals = ops.convert_to_numpy(signals)[0]
                score(name, from_grid(signals, record.rate_hz, like=table))
                if name == "the tracer":
                    error = np.abs(signals - truth)[printed > 0]
                    std = ops.convert_to_numpy(std_mv)[0][printed > 0]
                    sure.append(_sureness(error, std))
                    score(LINEAR, _linear(signals, record.rate_hz, table))
                    halved = _halved(signals)
                    score(
                        ONE_COLUMN,
                        from_grid(halved, record.rate_hz, like=table),
                    )
    print(f"{'':32}{'score':>8}{'median':>8}{'worst':>8}")
    for name, values in ratios.items():
        db = 10 * np.log10(values)
        print(
            f"{name:32}{score_db(values):8.2f}{np.median(db):8.2f}"
            f"{db.min():8.2f}"
        )
    within, within_two, times = np.transpose(sure)
    print(
        f"errors within one deviation: {100 * within.mean():.0f} %, two: "
        f"{100 * within_two.mean():.0f} %; the least sure tenth of a page errs "
        f"{np.median(times):.1f} times as much as its rest (least: "
        f"{times.min():.1f})"
    )


def _sureness(error, std):
    """Shares of errors within one and two deviations; how much the least sure
    tenth errs, over the rest."""
    unsure = std > np.quantile(std, 0.9)
    return (
        np.mean(error < std),
        np.mean(error < 2 * std),
        error[unsure].mean() / error[~unsure].mean(),
    )


def _halved(signals_mv):
    """Signals as a time axis of half the width would give them."""
    pairs = signals_mv.reshape(len(signals_mv), -1, 2).mean(axis=2)
    at = np.arange(signals_mv.shape[1]) / 2 - 0.25
    return np.stack(
        [np.interp(at, np.arange(pairs.shape[1]), lead) for lead in pairs]
    )


def _linear(signals_mv, rate_hz, table):
    """`from_grid`, but linear in time."""
    at = np.arange(table.shape[1]) * RATE_HZ / rate_hz
    found = np.stack(
        [np.interp(at, np.arange(len(lead)), lead) for lead in signals_mv]
    )
    return np.where(np.isfinite(table), found, np.nan)


if __name__ == "__main__":
    sys.exit(run_command(main))

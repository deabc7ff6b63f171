"""What a run leaves on disk, and how it is picked up again.

    config.json                                  the settings
    environment.json                             versions, backend
    split.json                                   ids trained on and validated
    history.csv                                  the logs, one row an epoch
    best_model.keras                             without the optimizer
    checkpoints/epoch_0003/training.weights.h5   weights and optimizer
    checkpoints/epoch_0003/state.json            what is not in the weights

The number is that of the epochs done. A checkpoint appears when it is whole,
after all else of its epoch.
"""

import csv
import dataclasses
import json
import math
import shutil
from pathlib import Path

import pandas as pd

from ecg_keras.errors import InputError
from ecg_keras.files import replacing, write_csv, write_json

WEIGHTS_FILE = "training.weights.h5"
STATE_FILE = "state.json"
HISTORY_FILE = "history.csv"


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on disk.

    Attributes:
        folder: where it is.
        epochs_done: epochs that were finished when it was written.
        stopped: whether training had ended early by then.
    """

    folder: Path
    epochs_done: int
    stopped: bool

    def restore(self, model):
        """Give a compiled model its weights and optimizer state.

        Raises:
            InputError: the file is damaged or of another model.
        """
        path = self.folder / WEIGHTS_FILE
        try:
            model.load_weights(path)
        except (OSError, ValueError, KeyError) as error:
            raise InputError(
                f"{path} does not fit the model of this run: {error}"
            ) from error


def latest_checkpoint(checkpoints_dir):
    """The newest whole checkpoint, or None where there is none."""
    found = []
    for path in Path(checkpoints_dir).glob(f"epoch_*/{STATE_FILE}"):
        state = json.loads(path.read_text())
        found.append(
            Checkpoint(path.parent, state["epochs_done"], state["stopped"])
        )
    return max(
        found, key=lambda checkpoint: checkpoint.epochs_done, default=None
    )


def save_checkpoint(model, checkpoints_dir, epochs_done, stopped, keep=1):
    """Write a checkpoint of a compiled model; remove all but the newest ones.

    Args:
        model: a compiled keras.Model.
        checkpoints_dir: folder of the run's checkpoints.
        epochs_done, stopped: see `Checkpoint`.
        keep: how many checkpoints stay.
    """
    checkpoints_dir = Path(checkpoints_dir)
    with replacing(checkpoints_dir / f"epoch_{epochs_done:04d}") as partial:
        partial.mkdir()
        model.save_weights(partial / WEIGHTS_FILE)
        state = {"epochs_done": epochs_done, "stopped": stopped}
        write_json(state, partial / STATE_FILE)
    for folder in sorted(checkpoints_dir.glob("epoch_*"))[:-keep]:
        shutil.rmtree(folder)


def write_history(run_dir, history):
    """Write history.csv: a row for each epoch.

    Args:
        run_dir: folder of the run.
        history: list of dicts of logs, one for each epoch.
    """
    table = pd.DataFrame(history)
    table.insert(0, "epoch", range(1, len(history) + 1))
    write_csv(table, Path(run_dir) / HISTORY_FILE, na_rep="nan")


def read_history(run_dir, n_epochs):
    """Logs of the first epochs, as `write_history` got them.

    An epoch whose checkpoint was not written is run again: its row is left
    out.

    Raises:
        InputError: the file is missing or has fewer epochs.
    """
    path = Path(run_dir) / HISTORY_FILE
    if not n_epochs:
        return []
    rows = []
    if path.is_file():
        with open(path, newline="") as stream:
            rows = list(csv.DictReader(stream))[:n_epochs]
    if len(rows) < n_epochs:
        raise InputError(
            f"{path} has {len(rows)} epochs, and the checkpoint beside it is "
            f"of epoch {n_epochs}: without the epochs before it, early "
            "stopping and the learning rate cannot go on as they would have"
        )
    # Python's float() gives back exactly what was written.
    return [
        {name: float(text) for name, text in row.items() if name != "epoch"}
        for row in rows
    ]


def best_epoch(history, monitor):
    """Index of the epoch with the highest value; None where none is a number.

    Args:
        history: list of dicts of logs, one for each epoch.
        monitor: name of the log.
    """
    known = [
        index
        for index, logs in enumerate(history)
        if not math.isnan(logs[monitor])
    ]
    return max(known, key=lambda index: history[index][monitor], default=None)


def write_split(run_dir, training, validation):
    write_json(_split_ids(training, validation), run_dir / "split.json")


def check_split(run_dir, training, validation):
    """A resumed run has to see the records that it saw before."""
    path = run_dir / "split.json"
    if json.loads(path.read_text()) != _split_ids(training, validation):
        raise InputError(
            f"the records of the data folder are no longer those of {path}; "
            "a run can only be resumed on the data that it began with"
        )


def _split_ids(training, validation):
    return {
        "training": [record.id for record in training],
        "validation": [record.id for record in validation],
    }

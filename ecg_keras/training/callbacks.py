"""What happens around an epoch that Keras's own callbacks do not do.

Order matters: `validation` first, because it adds val_* to the logs which all
others read; `Checkpoints` last, because a checkpoint means that everything of
its epoch is written.
"""

import math

import keras
import numpy as np

from ecg_keras.ecg.plotting import plot_signals
from ecg_keras.errors import InputError
from ecg_keras.models.saving import RUN_FILE, save_slim
from ecg_keras.training.curves import plot_curves
from ecg_keras.training.run_folder import (
    best_epoch,
    save_checkpoint,
    write_history,
)

# Of the first epoch, from 1, after those that compile and warm up.
PROFILED_STEPS = (4, 8)


class StopOnNaN(keras.callbacks.Callback):
    """Ends the run where the loss stops being a number, and says where.

    Keras calls it beside the training where the backend allows that, so that no
    step waits for the loss of the one before; it may then end some steps late.
    """

    async_safe = True

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        loss = float(logs["loss"])
        if not math.isfinite(loss):
            raise InputError(
                f"the loss is {loss} in epoch {self._epoch + 1}, step "
                f"{batch + 1}. Lower --learning-rate, or use --precision "
                "float32; the last checkpoint is from before"
            )


class Trace(keras.callbacks.Callback):
    """Writes a trace of some steps under JAX, after those that compile.

    Keras's TensorBoard does the same under TensorFlow, but under JAX only from
    Python 3.12 on.

    Args:
        folder: where TensorBoard looks; Perfetto opens the `.trace.json.gz`.
    """

    def __init__(self, folder):
        super().__init__()
        self.folder = folder
        self.first, self.last = (step - 1 for step in PROFILED_STEPS)
        self._state = "waiting"

    def on_train_batch_begin(self, batch, logs=None):
        if self._state == "waiting" and batch == self.first:
            import jax

            jax.profiler.start_trace(str(self.folder))
            self._state = "tracing"

    def on_train_batch_end(self, batch, logs=None):
        if self._state == "tracing" and batch == self.last:
            self._end(logs)

    def on_epoch_end(self, epoch, logs=None):
        if self._state == "tracing":  # The epoch was shorter.
            self._end(logs)

    def _end(self, logs):
        import jax

        float(logs["loss"])  # Until here the device is done.
        jax.profiler.stop_trace()
        self._state = "done"
        print(f"\ntrace: {self.folder}")


class SeedDropout(keras.callbacks.Callback):
    """Sets the states of all random layers from (seed, epoch).

    Keras does not restore them: without this a resumed run would drop other
    units than the run that was not killed.
    """

    def __init__(self, seed):
        super().__init__()
        self.seed = seed

    def on_epoch_begin(self, epoch, logs=None):
        states = [
            variable
            for variable in self.model.non_trainable_variables
            if variable.name == "seed_generator_state"
        ]
        for index, state in enumerate(states):
            key = np.random.SeedSequence([self.seed, epoch, index])
            state.assign(key.generate_state(2))


class Replay(keras.callbacks.Callback):
    """Shows past epochs to callbacks that forget them when training begins.

    EarlyStopping and ReduceLROnPlateau count epochs; both start from nothing at
    each `fit`. A learning rate that they change follows from the past, too.

    Args:
        callbacks: the callbacks; they come before this one in the list.
        history: list of dicts of logs, one for each past epoch.
        learning_rate: with which the run began, if the callbacks change it.
    """

    def __init__(self, callbacks, history, learning_rate=None):
        super().__init__()
        self.callbacks = callbacks
        self.history = history
        self.learning_rate = learning_rate

    def on_train_begin(self, logs=None):
        if self.learning_rate is not None:
            self.model.optimizer.learning_rate = self.learning_rate
        for callback in self.callbacks:
            verbose, callback.verbose = callback.verbose, 0
            for epoch, past in enumerate(self.history):
                callback.on_epoch_end(epoch, dict(past))
            callback.verbose = verbose


class EarlyStopping(keras.callbacks.EarlyStopping):
    """Keras's, for which a value that is no number is the worst.

    Keras takes the first value as the best so far; no number is greater than
    NaN, so a NaN there would end every run.
    """

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, _without_nan(logs, self.monitor, -np.inf))


class PlateauRate(keras.callbacks.ReduceLROnPlateau):
    """Keras's ReduceLROnPlateau, for which NaN is the worst loss."""

    def on_epoch_end(self, epoch, logs=None):
        judged = _without_nan(logs, self.monitor, np.inf)
        super().on_epoch_end(epoch, judged)
        logs["learning_rate"] = judged["learning_rate"]


def _without_nan(logs, name, worst):
    """A copy of an epoch's logs in which one value is a number."""
    value = logs[name]
    return {**logs, name: worst if math.isnan(value) else value}


class BestModel(keras.callbacks.Callback):
    """Keeps the best model, and pictures of what it predicts.

    Args:
        run_dir: folder (pathlib.Path) for best_model.keras and predictions/.
        validation: the validation callback whose examples are drawn.
        history: list of dicts of logs, one for each past epoch.
        monitor: the log that says which is best, the higher the better.
        assembled: function from the model in training to the one to save.
    """

    def __init__(
        self, run_dir, validation, history, monitor="val_snr", assembled=None
    ):
        super().__init__()
        self.assembled = assembled or (lambda model: model)
        self.run_dir = run_dir
        self.validation = validation
        self.monitor = monitor
        best = best_epoch(history, monitor)
        self.best = -np.inf if best is None else history[best][monitor]

    def on_epoch_end(self, epoch, logs=None):
        # NaN is greater than nothing.
        if not logs[self.monitor] > self.best:
            return
        self.best = logs[self.monitor]
        save_slim(self.assembled(self.model), self.run_dir / RUN_FILE)
        for record_id, target, prediction in self.validation.examples:
            plot_signals(
                self.run_dir / "predictions" / f"{record_id}.png",
                prediction,
                reference_mv=target,
                title=f"{record_id}, epoch {epoch + 1}",
            )


class HistoryFiles(keras.callbacks.Callback):
    """Writes history.csv and training_curves.png anew after each epoch.

    Unlike Keras's CSVLogger it never leaves half a row behind.

    Args:
        run_dir: folder (pathlib.Path) of the run; None writes nothing.
        history: list of dicts of logs, one for each past epoch; grows.
    """

    def __init__(self, run_dir, history):
        super().__init__()
        self.run_dir = run_dir
        self.history = history

    def on_epoch_end(self, epoch, logs=None):
        self.history.append(dict(logs))
        if self.run_dir is None:
            return
        write_history(self.run_dir, self.history)
        plot_curves(self.run_dir / "training_curves.png", self.history)


class Checkpoints(keras.callbacks.Callback):
    """Writes a checkpoint after each epoch.

    Args:
        checkpoints_dir: folder of the checkpoints.
        keep: how many stay.
    """

    def __init__(self, checkpoints_dir, keep):
        super().__init__()
        self.checkpoints_dir = checkpoints_dir
        self.keep = keep

    def on_epoch_end(self, epoch, logs=None):
        save_checkpoint(
            self.model,
            self.checkpoints_dir,
            epoch + 1,
            bool(self.model.stop_training),
            self.keep,
        )

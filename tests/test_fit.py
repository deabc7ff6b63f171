"""The loop around `fit`, on a model of one weight: best epochs, files."""

import json

import keras
import numpy as np
import pytest

from ecg_keras.errors import InputError
from ecg_keras.training import loop, preflight
from ecg_keras.training.callbacks import (
    BestModel,
    EarlyStopping,
    PlateauRate,
)
from ecg_keras.training.config import TrainConfig
from ecg_keras.training.run_folder import best_epoch, read_history
from ecg_keras.training.tracer_tasks import NetworkTask

NAN = float("nan")


class Scores(keras.callbacks.Callback):
    """A validation whose scores are known beforehand."""

    def __init__(self, scores):
        super().__init__()
        self.scores = scores
        self.examples = []

    def on_epoch_end(self, epoch, logs=None):
        logs["val_score"] = self.scores[epoch]


class TinyTask(NetworkTask):
    """A network of one weight, that says how often it was compiled."""

    monitor = "val_score"

    def __init__(self, config, scores):
        super().__init__(config)
        self.scores = scores
        self.compiled = 0

    def build(self):
        one = keras.Input((1,))
        return keras.Model(one, keras.layers.Dense(1)(one))

    def compile(self, model, frozen):
        self.compiled += 1
        model.compile(keras.optimizers.SGD(0.1), "mse")

    def batches(self, first_epoch):
        while True:
            yield np.ones((2, 1), np.float32), np.ones((2, 1), np.float32)

    def validation(self):
        return Scores(self.scores)

    def assembled(self, model):
        return model


def _fit(tmp_path, scores, **settings):
    config = TrainConfig(
        model="frame", tracer_steps=1, epochs=len(scores), **settings
    )
    keras.utils.set_random_seed(0)
    task = TinyTask(config, scores)
    model = task.build()
    return task, model, loop._fit(model, task, tmp_path)


def test_a_network_is_compiled_once_whatever_an_old_config_freezes(tmp_path):
    """A second time would begin the moments and the cosine anew."""
    task, _, history = _fit(tmp_path, (1, 2, 3), freeze_encoder_epochs=1)
    assert len(history) == 3
    assert task.compiled == 1


def test_a_run_stops_after_so_many_epochs_and_goes_on_later(tmp_path):
    *_, history = _fit(tmp_path, (1, 2, 3), stop_after=2)
    assert len(history) == 2
    *_, history = _fit(tmp_path, (1, 2, 3))
    assert [logs["val_score"] for logs in history] == [1, 2, 3]


def test_an_epoch_whose_score_is_no_number_is_never_the_best(tmp_path):
    _, last, history = _fit(tmp_path, (NAN, 1.0, NAN, 0.5))
    assert len(history) == 4
    assert best_epoch(history, "val_score") == 1
    kept = keras.saving.load_model(tmp_path / "best_model.keras")
    _, second, _ = _fit(tmp_path / "again", (NAN, 1.0))
    for one, two, four in zip(
        kept.get_weights(),
        second.get_weights(),
        last.get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(one, two)
        assert (one != four).any()
    best = BestModel(tmp_path, Scores(()), history, "val_score")
    assert best.best == 1.0


def test_a_first_nan_ends_no_run_and_lowers_no_rate():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.8), "mse")
    stop = EarlyStopping("val_score", mode="max", patience=2)
    rate = PlateauRate("val_loss", 0.5, 2)
    for callback in (stop, rate):
        callback.set_model(model)
        callback.on_train_begin()
    for epoch, score in enumerate((NAN, 1.0, 2.0, 3.0)):
        logs = {"val_score": score, "val_loss": -score}
        stop.on_epoch_end(epoch, logs)
        rate.on_epoch_end(epoch, logs)
        assert np.isnan(logs["val_score"]) == np.isnan(score)
        assert logs["learning_rate"] == pytest.approx(0.8)
    assert not model.stop_training
    assert stop.best == 3.0 and rate.best == -3.0


def test_a_run_without_any_score_says_that_it_has_no_best_model(tmp_path):
    task, _, history = _fit(tmp_path, (NAN, NAN))
    with pytest.raises(InputError, match="val_score was no number in any of 2"):
        loop._report(history, task, tmp_path)


def test_a_run_without_its_history_is_not_resumed(tmp_path):
    _fit(tmp_path, (1, 2))
    assert len(read_history(tmp_path, 2)) == 2
    with pytest.raises(InputError, match="history.csv has 2 epochs.*epoch 3"):
        read_history(tmp_path, 3)
    (tmp_path / "history.csv").unlink()
    with pytest.raises(InputError, match="history.csv has 0 epochs.*epoch 2"):
        _fit(tmp_path, (1, 2, 3))
    assert read_history(tmp_path, 0) == []


@pytest.mark.parametrize("optimizer", preflight.COPIES_IN_CHECKPOINT)
def test_the_preflight_counts_what_an_optimizer_keeps(tmp_path, optimizer):
    """Against the variables of a compiled model, but for its few scalars."""
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(64)])
    model.compile(getattr(keras.optimizers, optimizer)(), "mse")
    model.optimizer.build(model.trainable_variables)
    kept = sum(int(np.prod(v.shape)) for v in model.optimizer.variables)
    copies = 1 + round(kept / model.count_params(), 1)
    assert preflight.COPIES_IN_CHECKPOINT[optimizer] == copies


def test_a_checkpoint_says_how_far_the_run_is(tmp_path):
    _fit(tmp_path, (1, 2))
    path = tmp_path / "checkpoints" / "epoch_0002" / "state.json"
    assert json.loads(path.read_text()) == {
        "epochs_done": 2,
        "stopped": False,
    }

"""What `train.py --model regressor` trains, see `tasks`."""

import keras

from ecg_keras.data.page_batches import (
    load_pages,
    steps_per_epoch,
    training_batches,
)
from ecg_keras.data.page_cache import cache_size_bytes
from ecg_keras.models.regressor import build_regressor
from ecg_keras.training.callbacks import PlateauRate
from ecg_keras.training.devices import has_slow_convolutions
from ecg_keras.training.losses import SignalLoss, snr_db
from ecg_keras.training.optimizers import new_optimizer
from ecg_keras.training.validation import PageValidation

# ReduceLROnPlateau on val_loss.
PLATEAU_FACTOR = 0.5
PLATEAU_PATIENCE = 5


class RegressorTask:
    """The dense regressor, on whole pages.

    Args:
        config: a `config.TrainConfig`.

    Attributes:
        weights: where the weights come from, for the summary.
        plateau_rate: the learning rate that a schedule callback lowers.
        frozen_epochs: epochs, from the first, in which only the head learns.
        monitor: which log says what is the best epoch, the higher the better.
    """

    monitor = "val_snr"

    def __init__(self, config):
        self.config = config
        self.weights = config.weights
        self.plateau_rate = config.learning_rate
        self.frozen_epochs = config.freeze_encoder_epochs

    def build(self):
        """The model; with its pretrained weights, unless a run goes on."""
        config = self.config
        model = build_regressor(
            config.image_size,
            config.encoder,
            "none" if config.resume else config.weights or "imagenet",
            config.head_units,
            config.dropout,
        )
        if has_slow_convolutions():
            from ecg_keras.models.jax_cpu import speed_up  # Imports JAX.

            speed_up(model.get_layer(config.encoder))
        return model

    def cache_bytes(self, records):
        """Bytes by which the cache of pages will grow."""
        return cache_size_bytes(
            records, self.config.image_size, self.config.cache_dir
        )

    def load(self, training, validation, on_bad=None):
        """Read what is trained on; see `page_batches.load_pages`."""
        size, cache_dir = self.config.image_size, self.config.cache_dir
        self.training = load_pages(training, size, cache_dir, on_bad)
        self.validated = load_pages(validation, size, cache_dir, on_bad)
        self.steps_per_epoch()  # Refuses a batch larger than the data, early.

    def assembled(self, model):
        """The model to save as the best one."""
        return model

    def steps_per_epoch(self):
        return steps_per_epoch(self.training, self.config.batch_size)

    def batches(self, first_epoch):
        """An endless tf.data.Dataset of batches."""
        return training_batches(
            self.training,
            self.config.batch_size,
            self.config.seed,
            first_epoch=first_epoch,
            augment=self.config.augment,
        )

    def compile(self, model, frozen):
        """Compile the model; its encoder does not learn while `frozen`."""
        config = self.config
        model.get_layer(config.encoder).trainable = not frozen
        model.compile(
            optimizer=new_optimizer(config, config.learning_rate),
            loss=self._loss(),
            metrics=[keras.metrics.MeanMetricWrapper(snr_db, name="snr")],
            steps_per_execution=config.steps_per_execution,
        )

    def schedules(self):
        """Callbacks that change the learning rate."""
        return [
            PlateauRate("val_loss", PLATEAU_FACTOR, PLATEAU_PATIENCE, verbose=1)
        ]

    def validation(self):
        """The callback that adds val_* to the logs."""
        return PageValidation(
            self.validated,
            self.config.batch_size,
            self._loss(),
            self.config.competition_every,
        )

    def _loss(self):
        return SignalLoss(self.config.mse_weight, self.config.snr_weight)

"""What differs between the models that `train.py --model` trains.

A task builds and compiles its model, and says which batches it learns from and
how it is validated; all else of a run is in `training`.
"""

import keras

from ecg_keras.devices import has_slow_depthwise
from ecg_keras.errors import InputError
from ecg_keras.frame_batches import frame_batches, load_small_pictures
from ecg_keras.inference import DEFAULT_MODEL, load
from ecg_keras.losses import (
    FrameLoss,
    SignalLoss,
    TraceLoss,
    snr_db,
    trace_snr_db,
)
from ecg_keras.models.depthwise import shift_depthwise
from ecg_keras.models.frame_network import build_frame_network
from ecg_keras.models.regressor import build_regressor
from ecg_keras.models.row_network import build_row_network
from ecg_keras.models.tracer import build_tracer
from ecg_keras.page_cache import cache_size_bytes
from ecg_keras.pipeline import load_pages, steps_per_epoch, training_batches
from ecg_keras.run_folder import uncompiled
from ecg_keras.strip_batches import load_pictures, training_parts
from ecg_keras.validation import (
    FrameValidation,
    PageValidation,
    StripValidation,
)

# The regressor: ReduceLROnPlateau on val_loss.
PLATEAU_FACTOR = 0.5
PLATEAU_PATIENCE = 5
# The tracer's networks: a cosine from the learning rate to this part of it.
LAST_RATE = 0.01
WARMUP_STEPS = 100


class RegressorTask:
    """The dense regressor, on whole pages.

    Args:
        config: a `train_config.TrainConfig`.

    Attributes:
        weights: where the weights come from, for the summary.
        plateau_rate: the learning rate that a schedule callback lowers.
        monitor: which log says what is the best epoch, the higher the better.
    """

    monitor = "val_snr"

    def __init__(self, config):
        self.config = config
        self.weights = config.weights
        self.plateau_rate = config.learning_rate

    def build(self):
        """The model; with its pretrained weights, unless a run goes on."""
        config = self.config
        model = build_regressor(
            config.image_size,
            config.encoder,
            config.weights if not config.resume else "none",
            config.head_units,
            config.dropout,
        )
        if has_slow_depthwise():
            shift_depthwise(model.get_layer(config.encoder))
        return model

    def cache_bytes(self, records):
        """Bytes by which the cache of pages will grow."""
        return cache_size_bytes(
            records, self.config.image_size, self.config.cache_dir
        )

    def load(self, training, validation, on_bad=None):
        """Read what is trained on; see `pipeline.load_pages`."""
        size, cache_dir = self.config.image_size, self.config.cache_dir
        self.training = load_pages(training, size, cache_dir, on_bad)
        self.validated = load_pages(validation, size, cache_dir, on_bad)
        self.steps_per_epoch()

    def whole(self, model):
        """What is saved as the best model."""
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
            optimizer=_optimizer(config, config.learning_rate),
            loss=self._loss(),
            metrics=[keras.metrics.MeanMetricWrapper(snr_db, name="snr")],
            steps_per_execution=config.steps_per_execution,
        )

    def schedules(self):
        """Callbacks that change the learning rate."""
        return [
            keras.callbacks.ReduceLROnPlateau(
                "val_loss", PLATEAU_FACTOR, PLATEAU_PATIENCE, verbose=1
            )
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


class _NetworkTask:
    """What the tracer's networks have in common.

    Args:
        config: a `train_config.TrainConfig`.
    """

    def __init__(self, config):
        self.config = config
        # ImageNet's weights are the regressor's.
        found = config.weights
        self.weights = "none" if found == "imagenet" else found
        self.plateau_rate = None  # An optimizer's schedule is no callback.

    def cache_bytes(self, records):
        return 0

    def steps_per_epoch(self):
        return self.config.tracer_steps

    def schedules(self):
        return []


class TracerTask(_NetworkTask):
    """The tracer's row network, on parts of strips of known pages."""

    monitor = "val_snr"

    def build(self):
        network = build_row_network(self.config.tracer_filters)
        return _begun(network, self.weights, self.config)

    def load(self, training, validation, on_bad=None):
        """Read what is trained on; see `strip_batches.load_pictures`."""
        self.training = load_pictures(training, on_bad)
        self.validated = load_pictures(validation, on_bad)

    def whole(self, model):
        """The tracer: with the frame network that comes with the package."""
        frame_network = load(DEFAULT_MODEL).model.get_layer("frame_network")
        return build_tracer(frame_network, uncompiled(model))

    def batches(self, first_epoch):
        return training_parts(
            self.training,
            self.config.tracer_columns,
            self.config.batch_size,
            self.config.tracer_steps,
            self.config.seed,
            first_epoch,
            self.config.augment,
        )

    def compile(self, model, frozen):
        config = self.config
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = not config.freeze_norms
        model.compile(
            optimizer=_optimizer(config, _cosine(config)),
            loss=self._loss(),
            metrics=[keras.metrics.MeanMetricWrapper(trace_snr_db, name="snr")],
            steps_per_execution=config.steps_per_execution,
        )

    def validation(self):
        return StripValidation(
            self.validated, self._loss(), self.config.competition_every
        )

    def _loss(self):
        config = self.config
        return TraceLoss(
            config.mse_weight, config.snr_weight, config.trace_weight
        )


class FrameTask(_NetworkTask):
    """The tracer's frame network, on small pictures of known pages."""

    monitor = "val_found"

    def build(self):
        return _begun(build_frame_network(), self.weights, self.config)

    def load(self, training, validation, on_bad=None):
        """Read what is trained on; see `frame_batches`."""
        self.training = load_small_pictures(training, on_bad)
        self.validated = load_small_pictures(validation, on_bad)

    def whole(self, model):
        """The tracer: with the row network that comes with the package."""
        row_network = load(DEFAULT_MODEL).model.get_layer("row_network")
        return build_tracer(uncompiled(model), row_network)

    def batches(self, first_epoch):
        return frame_batches(
            self.training,
            self.config.batch_size,
            self.config.tracer_steps,
            self.config.seed,
            first_epoch,
        )

    def compile(self, model, frozen):
        model.compile(
            optimizer=_optimizer(self.config, _cosine(self.config)),
            loss=FrameLoss(),
            steps_per_execution=self.config.steps_per_execution,
        )

    def validation(self):
        return FrameValidation(self.validated, FrameLoss(), self.config.seed)


def _begun(network, weights, config):
    """A network with the weights of a trained one, unless a run goes on.

    Layers that the trained one does not have begin as they are, and are named.
    """
    if weights == "none" or config.resume:
        return network
    try:
        saved = load(weights).model.get_layer(network.name)
        known = {layer.name: layer for layer in saved.layers}
        new = []
        for layer in network.layers:
            if layer.name in known:
                layer.set_weights(known[layer.name].get_weights())
            elif layer.weights:
                new.append(layer.name)
    except ValueError as error:
        raise InputError(
            f"--weights {weights}: expected a tracer whose {network.name} is "
            f"of the shape that this run trains: {error}"
        ) from error
    if new:
        print(f"new beside {weights}: {', '.join(new)}")
    return network


def _cosine(config):
    """Warm-up, then a cosine over the whole run."""
    n_steps = config.epochs * config.tracer_steps
    return keras.optimizers.schedules.CosineDecay(
        config.learning_rate / 10,
        max(n_steps - WARMUP_STEPS, 1),
        alpha=LAST_RATE,
        warmup_target=config.learning_rate,
        warmup_steps=WARMUP_STEPS,
    )


def _optimizer(config, learning_rate):
    of_kind = getattr(keras.optimizers, config.optimizer)
    return of_kind(learning_rate, weight_decay=config.weight_decay)


TASKS = {"regressor": RegressorTask, "tracer": TracerTask, "frame": FrameTask}

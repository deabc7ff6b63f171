"""What `train.py` trains for the tracer: its networks, each on its own.

See `tasks`. What is saved is a whole tracer, but for a row network that is told
of other rows.
"""

from pathlib import Path

import keras

from ecg_keras.data.cell_batches import (
    ANY,
    FLAT,
    PLACED,
    frame_batches,
    load_small_pictures,
)
from ecg_keras.data.pictures import load_pictures
from ecg_keras.data.row_batches import training_parts
from ecg_keras.errors import InputError
from ecg_keras.models.photo_tracer import build_photo_tracer
from ecg_keras.models.reading.networks import sees_other_rows
from ecg_keras.models.reading.row_network import (
    STEM_CONV,
    build_row_network,
    told_of_other_rows,
)
from ecg_keras.models.registration.frame_network import build_frame_network
from ecg_keras.models.registration.pose_network import build_pose_network
from ecg_keras.models.saving import read_keras_file, uncompiled
from ecg_keras.models.tracer import build_tracer
from ecg_keras.models.weight_files import read_packaged_network
from ecg_keras.packaged import PAGE_READER, READER_WEIGHTS, is_packaged
from ecg_keras.predictor import load
from ecg_keras.training.losses import FrameLoss, TraceLoss, trace_snr_db
from ecg_keras.training.optimizers import new_optimizer, warm_cosine
from ecg_keras.training.validation import FrameValidation, StripValidation

NETWORKS = ("pose_network", "frame_network", "row_network")
BUILDERS = {"tracer": build_tracer, "photo_tracer": build_photo_tracer}


class NetworkTask:
    """The training of a part of a reader: what all of them share.

    Args:
        config: a `config.TrainConfig`.
    """

    frozen_epochs = 0  # All of a network learns from the first epoch on.

    def __init__(self, config):
        self.config = config
        self.weights = config.weights or "none"
        # The learning rate is the optimizer's own schedule, `warm_cosine`.
        self.plateau_rate = None

    def cache_bytes(self, records):
        return 0

    def steps_per_epoch(self):
        return self.config.tracer_steps

    def schedules(self):
        return []

    def compile(self, model, frozen):
        model.compile(
            optimizer=new_optimizer(self.config, warm_cosine(self.config)),
            loss=self._loss(),
            steps_per_execution=self.config.steps_per_execution,
        )


class TracerTask(NetworkTask):
    """The tracer's row network, on parts of row images of known pages."""

    monitor = "val_snr"

    def build(self):
        config = self.config
        network = build_row_network(
            config.tracer_filters, other_rows=config.other_rows
        )
        return _initialised(network, self.weights, config)

    def load(self, training, validation, on_bad=None):
        """Read maps and signals; see `pictures.load_pictures`."""
        self.training = load_pictures(training, on_bad)
        self.validated = load_pictures(validation, on_bad)

    def assembled(self, model):
        """The tracer: with the other networks that come with the package.

        Of a network that is told of other rows, itself: the tracers tell none.
        """
        if self.config.other_rows:
            return uncompiled(model)
        networks = {"row_network": uncompiled(model)}
        return tracer_with(networks, others=self.config.others)

    def batches(self, first_epoch):
        return training_parts(
            self.training,
            self.config.tracer_columns,
            self.config.batch_size,
            self.config.tracer_steps,
            self.config.seed,
            first_epoch,
            self.config.augment,
            self.config.other_rows,
        )

    def compile(self, model, frozen):
        config = self.config
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = not config.freeze_norms
        model.compile(
            optimizer=new_optimizer(config, warm_cosine(config)),
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


class FrameTask(NetworkTask):
    """The tracer's frame network, on small pictures of known pages."""

    monitor = "val_found"
    network = "frame_network"
    preset = "tracer"
    pose = FLAT

    def build(self):
        return _initialised(build_frame_network(), self.weights, self.config)

    def load(self, training, validation, on_bad=None):
        """Read and shrink the pictures; see `cell_batches`."""
        self.training = load_small_pictures(training, on_bad)
        self.validated = load_small_pictures(validation, on_bad)

    def assembled(self, model):
        """The tracer: with the other networks that come with the package."""
        networks = {self.network: uncompiled(model)}
        return tracer_with(networks, self.preset, self.config.others)

    def batches(self, first_epoch):
        return frame_batches(
            self.training,
            self.config.batch_size,
            self.config.tracer_steps,
            self.config.seed,
            first_epoch,
            self.pose,
        )

    def validation(self):
        return FrameValidation(
            self.validated, self._loss(), self.config.seed, self.pose
        )

    def _loss(self):
        return FrameLoss()


class PhotoFrameTask(FrameTask):
    """The photo tracer's frame network, on straightened pages."""

    preset = "photo_tracer"
    pose = PLACED


class PoseTask(FrameTask):
    """The photo tracer's pose network, on pages that lie anyhow."""

    network = "pose_network"
    preset = "photo_tracer"
    pose = ANY

    def build(self):
        # The first layers of both see the same; a tracer of flat pages has one.
        names = (self.network, FrameTask.network)
        return _initialised(
            build_pose_network(), self.weights, self.config, names
        )


def tracer_with(networks, preset="tracer", others=None):
    """A packaged tracer, with some of its networks replaced.

    Args:
        networks: name of a layer to model.
        preset: "tracer" or "photo_tracer".
        others: tracer whose networks replace packaged ones as well, those in
            `networks` excepted; None: no more are replaced.

    Raises:
        InputError: `others` is no tracer.
    """
    parts = _networks_of(preset)
    if others:
        found = _networks_of(others)
        if not found:
            raise InputError(
                f"--others {others}: expected a tracer. Received a model "
                f"without {' and '.join(NETWORKS)}"
            )
        parts |= {name: found[name] for name in parts if name in found}
    parts |= {name: networks[name] for name in parts if name in networks}
    return BUILDERS[preset](**parts)


def _networks_of(weights):
    """Networks of a tracer, of the reader, or of a file: name -> model."""
    if weights == PAGE_READER and is_packaged(weights):
        name = "row_network"
        return {name: read_packaged_network(READER_WEIGHTS, name)}
    # A file may hold a network alone.
    is_file = Path(weights).suffix == ".keras"
    model = read_keras_file(weights) if is_file else load(weights).model
    parts = (model, *model.layers)
    return {part.name: part for part in parts if part.name in NETWORKS}


def _initialised(network, weights, config, names=()):
    """A network with the weights of a trained one, unless a run goes on.

    Layers that the trained network lacks keep their weights, and are printed.

    Args:
        network: keras.Model, changed in place.
        weights: "none", the tracer that holds the trained network, its own
            file, or "reader", whose row network is meant.
        config: a `config.TrainConfig`.
        names: names of trained networks, of which the first that the tracer
            has is taken; by default the name of `network`.

    Raises:
        InputError: the tracer lacks the network, or has one of another shape.
    """
    if weights == "none" or config.resume:
        return network
    parts = _networks_of(weights)
    name = next((name for name in names if name in parts), network.name)
    try:
        saved = parts[name]
        known = {layer.name: layer.get_weights() for layer in saved.layers}
        if name == "row_network" and sees_other_rows(network):
            if not sees_other_rows(saved):
                known[STEM_CONV] = told_of_other_rows(known[STEM_CONV])
        new = []
        for layer in network.layers:
            if layer.name in known:
                layer.set_weights(known[layer.name])
            elif layer.weights:
                new.append(layer.name)
    except (KeyError, ValueError) as error:
        raise InputError(
            f"--weights {weights}: expected a tracer whose {name} is "
            f"of the shape that this run trains: {error}"
        ) from error
    if new:
        print(f"new beside {weights}: {', '.join(new)}")
    return network

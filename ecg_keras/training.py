"""From a folder of records to a trained model: `train(TrainConfig())`."""

import contextlib
import dataclasses
import math
from pathlib import Path

import keras

from ecg_keras import preflight
from ecg_keras.callbacks import (
    BestModel,
    Checkpoints,
    HistoryFiles,
    Replay,
    SeedDropout,
    StopOnNaN,
    Validation,
)
from ecg_keras.config import save_json, write_json
from ecg_keras.errors import InputError, is_disk_full, is_out_of_memory
from ecg_keras.losses import SignalLoss, snr_db
from ecg_keras.models.regressor import build_regressor
from ecg_keras.page_cache import cache_size_bytes
from ecg_keras.pipeline import (
    load_pages,
    steps_per_epoch,
    training_batches,
)
from ecg_keras.records import find_data_dir, read_records, split_records
from ecg_keras.run_folder import (
    check_split,
    latest_checkpoint,
    read_history,
    write_split,
)
from ecg_keras.train_config import (
    check_config,
    on_kaggle,
    resumed_config,
    with_folders,
)

# ReduceLROnPlateau on val_loss.
PLATEAU_FACTOR = 0.5
PLATEAU_PATIENCE = 5


def train(config):
    """Train a model as a config says.

    Writes into the run's folder: config.json, split.json, history.csv,
    training_curves.png, best_model.keras, predictions/ and checkpoints/.
    Without any data it trains on a demo (see `ecg_keras.demo`).

    Args:
        config: a `train_config.TrainConfig`.

    Returns:
        pathlib.Path of the run's folder.

    Raises:
        InputError: for data, flags, memory and disks; says what to change.
    """
    check_config(config)
    if config.resume:
        config = resumed_config(config)
    else:
        shared = config.output_dir is None and on_kaggle()
        config = with_folders(config)
        preflight.check_output_dir(config.output_dir, shared)
        data_dir = find_data_dir(config.data_dir)
        if data_dir is None:
            from ecg_keras.demo import demo_config

            config = demo_config(config)
        else:
            data_dir = str(data_dir.resolve())
            config = dataclasses.replace(config, data_dir=data_dir)
    policy = keras.config.dtype_policy()
    distribution = keras.distribution.distribution()
    try:
        keras.config.set_dtype_policy(config.precision)
        with _mendable_errors(config):
            return _train(config)
    finally:
        keras.config.set_dtype_policy(policy)
        keras.distribution.set_distribution(distribution)


def _train(config):
    run_dir = Path(config.output_dir)
    bad_records = {}
    on_bad = bad_records.__setitem__ if config.skip_bad_records else None
    keras.utils.set_random_seed(config.seed)
    devices = preflight.use_all_devices(config.batch_size)
    records = read_records(config.data_dir, config.images, on_bad)
    training, validation = split_records(
        records[: config.limit_records], config.train_split, config.seed
    )
    if config.resume:
        check_split(run_dir, training, validation)
    model = build_regressor(
        config.image_size,
        config.encoder,
        config.weights if not config.resume else "none",
        config.head_units,
        config.dropout,
    )
    cache_bytes = cache_size_bytes(
        [*training, *validation], config.image_size, config.cache_dir
    )
    disk = preflight.check_disk(
        model,
        run_dir,
        config.keep_checkpoints,
        config.cache_dir,
        cache_bytes,
    )
    preflight.print_summary([
        *preflight.environment().items(),
        ("devices", devices),
        ("data", f"{config.data_dir}, image types {' '.join(config.images)}"),
        ("records", f"{len(training)} training, {len(validation)} validation"),
        ("model", preflight.describe_model(model)),
        ("weights", config.weights),
        ("disk", disk),
        ("output", str(run_dir)),
    ])  # fmt: skip

    pages = {}
    for name, part in (("training", training), ("validation", validation)):
        pages[name] = load_pages(
            part, config.image_size, config.cache_dir, on_bad
        )
    for record_id, message in bad_records.items():
        print(f"  left out    {record_id}: {message}")
    steps_per_epoch(pages["training"], config.batch_size)
    save_json(config, run_dir / "config.json")
    write_json(preflight.environment(), run_dir / "environment.json")
    write_split(run_dir, training, validation)

    history = _fit(model, pages, config, run_dir)
    _report(history, config, run_dir)
    return run_dir


def _fit(model, pages, config, run_dir):
    """Train from the last checkpoint, if any; returns the logs of all epochs.

    Training in two phases, with the encoder frozen and free, is two calls of
    `fit`; so is a run that was interrupted. `Replay` makes both seamless.
    """
    checkpoint = latest_checkpoint(run_dir / "checkpoints")
    done = checkpoint.epochs_done if checkpoint else 0
    stopped = checkpoint.stopped if checkpoint else False
    history = read_history(run_dir, done)
    n_steps = steps_per_epoch(pages["training"], config.batch_size)
    compiled_for = None
    if checkpoint:
        compiled_for = done - 1 < config.freeze_encoder_epochs
        _compile(model, config, compiled_for)
        model.optimizer.build(model.trainable_variables)
        checkpoint.restore(model)
        print(f"going on after epoch {done} of {config.epochs}")
    while done < config.epochs and not stopped:
        frozen = done < config.freeze_encoder_epochs
        last = config.epochs
        if frozen:
            last = min(last, config.freeze_encoder_epochs)
        if compiled_for != frozen:
            _compile(model, config, frozen)
            compiled_for = frozen
        model.fit(
            training_batches(
                pages["training"],
                config.batch_size,
                config.seed,
                first_epoch=done,
                augment=config.augment,
            ),
            steps_per_epoch=n_steps,
            initial_epoch=done,
            epochs=last,
            shuffle=False,
            callbacks=_callbacks(pages["validation"], config, run_dir, history),
        )
        done, stopped = last, model.stop_training
    return history


def _compile(model, config, frozen):
    model.get_layer(config.encoder).trainable = not frozen
    model.compile(
        optimizer=keras.optimizers.AdamW(
            config.learning_rate, weight_decay=config.weight_decay
        ),
        loss=SignalLoss(config.mse_weight, config.snr_weight),
        metrics=[keras.metrics.MeanMetricWrapper(snr_db, name="snr")],
        steps_per_execution=config.steps_per_execution,
    )


def _callbacks(pages, config, run_dir, history):
    """The callbacks of one `fit`, in the order in which they need each other.

    Args:
        pages: validation pages.
        history: logs of the epochs before; grows with each epoch.
    """
    past = [dict(epoch) for epoch in history]
    loss = SignalLoss(config.mse_weight, config.snr_weight)
    validation = Validation(
        pages, config.batch_size, loss, config.competition_every
    )
    early_stopping = keras.callbacks.EarlyStopping(
        "val_snr", mode="max", patience=config.patience, verbose=1
    )
    plateau = keras.callbacks.ReduceLROnPlateau(
        "val_loss", PLATEAU_FACTOR, PLATEAU_PATIENCE, verbose=1
    )
    callbacks = [
        validation,
        SeedDropout(config.seed),
        StopOnNaN(),
        early_stopping,
        plateau,
        Replay([early_stopping, plateau], past, config.learning_rate),
        BestModel(run_dir, validation, past),
        HistoryFiles(run_dir, history),
    ]
    if config.tensorboard:
        callbacks.append(
            keras.callbacks.TensorBoard(
                run_dir / "tensorboard", write_graph=False
            )
        )
    checkpoints = Checkpoints(run_dir / "checkpoints", config.keep_checkpoints)
    return [*callbacks, checkpoints]


def _report(history, config, run_dir):
    best = max(range(len(history)), key=lambda i: history[i]["val_snr"])
    score = history[best]["val_competition_snr"]
    scored = (
        f", competition score {score:.2f} dB" if math.isfinite(score) else ""
    )
    print(
        f"best epoch: {best + 1} of {len(history)}, val_snr "
        f"{history[best]['val_snr']:.2f} dB{scored}\n"
        f"model: {run_dir / 'best_model.keras'}\n"
        f"curves: {run_dir / 'training_curves.png'}, predicted on true "
        f"leads: {run_dir / 'predictions'}\n"
        "next: python -m ecg_keras evaluate --model "
        f"{run_dir} --data-dir {config.data_dir}"
    )


@contextlib.contextmanager
def _mendable_errors(config):
    """Turns lack of memory and disk into errors that say what to change."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            height, width = config.image_size
            raise InputError(
                "out of memory on the device. Lower --batch-size (now "
                f"{config.batch_size}) or --image-size (now {height} {width}), "
                "or take --precision mixed_bfloat16 (now "
                f"{config.precision}) or a smaller --encoder (now "
                f"{config.encoder})"
            ) from error
        if is_disk_full(error):
            raise InputError(
                f"the disk of {config.output_dir} is full. Free some of it, "
                "then go on from the last whole checkpoint with --resume "
                f"{config.output_dir}"
            ) from error
        raise

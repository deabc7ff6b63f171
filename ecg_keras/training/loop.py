"""From a folder of records to a trained model: `train(TrainConfig())`."""

import contextlib
import dataclasses
import math
import shutil
from pathlib import Path

import keras

from ecg_keras.errors import InputError, is_disk_full, is_out_of_memory
from ecg_keras.files import LOCK_FILE, alone_in, write_json
from ecg_keras.settings import save_json
from ecg_keras.training import preflight, processes
from ecg_keras.training.callbacks import (
    PROFILED_STEPS,
    BestModel,
    Checkpoints,
    EarlyStopping,
    HistoryFiles,
    Replay,
    SeedDropout,
    StopOnNaN,
    Trace,
)
from ecg_keras.training.config import (
    REGRESSOR,
    changed_settings,
    check_config,
    check_used,
    memory_advice,
    on_kaggle,
    resumed_config,
    with_defaults,
)
from ecg_keras.training.devices import (
    AUTO,
    choose_precision,
    keep_compiled_programs,
    use_all_devices,
)
from ecg_keras.training.run_folder import (
    best_epoch,
    check_split,
    latest_checkpoint,
    read_history,
    write_split,
)
from ecg_keras.training.tasks import TASKS
from ecg_keras.training.training_data import training_data


def train(config, given=None):
    """Train a model as a config says.

    Writes into the run's folder: config.json, split.json, history.csv,
    training_curves.png, best_model.keras, predictions/ and checkpoints/.
    Without any data it trains on a demo (see `ecg_keras.training.demo`).

    On several hosts it is called in each; see `ecg_keras.training.processes`.

    Args:
        config: a `config.TrainConfig`.
        given: names of its fields that were given; None: those that differ
            from their defaults. With `resume`, what was not given is as in the
            run that is resumed.

    Returns:
        pathlib.Path of the run's folder.

    Raises:
        InputError: for data, flags, memory and disks; says what to change.
    """
    given = changed_settings(config) if given is None else given
    if config.resume:
        config = resumed_config(config, given)
    else:
        check_used(config.model, given)
    check_config(config)
    processes.join()
    processes.check(config)
    if not config.resume:
        shared = config.output_dir is None and on_kaggle()
        config = with_defaults(config)
        if processes.is_first():
            preflight.check_output_dir(config.output_dir, shared)
    bad_records = {}
    on_bad = bad_records.__setitem__ if config.skip_bad_records else None
    config, *split = training_data(config, given, on_bad)
    config = dataclasses.replace(config, precision=_precision(config))
    policy = keras.config.dtype_policy()
    distribution = keras.distribution.distribution()
    try:
        keras.config.set_dtype_policy(config.precision)
        with _mendable_errors(config), _alone_in(Path(config.output_dir)):
            return _train(config, *split, bad_records)
    finally:
        keras.config.set_dtype_policy(policy)
        keras.distribution.set_distribution(distribution)


@contextlib.contextmanager
def _alone_in(run_dir):
    """See `files.alone_in`; of several hosts the first stands for all.

    A run that is refused leaves no folder.
    """
    if not processes.is_first():
        yield
        return
    run_dir.mkdir(parents=True, exist_ok=True)
    try:
        with alone_in(run_dir):
            yield
    finally:
        if all(path.name == LOCK_FILE for path in run_dir.iterdir()):
            shutil.rmtree(run_dir)


def _precision(config):
    # Nobody has measured what 16 bits cost the tracer's read-out.
    if config.precision == AUTO and config.model != REGRESSOR:
        return "float32"
    return choose_precision(config.precision)


def _train(config, training, validation, bad_records):
    run_dir = Path(config.output_dir)
    on_bad = bad_records.__setitem__ if config.skip_bad_records else None
    keras.utils.set_random_seed(config.seed)
    keep_compiled_programs(run_dir)
    devices = use_all_devices(
        config.batch_size, config.model_parallel, config.head_units
    )
    if config.resume:
        check_split(run_dir, training, validation)
    task = TASKS[config.model](config)
    model = task.build()
    disk = preflight.check_disk(
        model,
        run_dir,
        config.keep_checkpoints,
        config.optimizer,
        config.cache_dir,
        task.cache_bytes([*training, *validation]),
    )
    first = processes.is_first()
    summary = [
        *preflight.environment().items(),
        ("devices", devices),
        ("data", ", ".join([config.data_dir, *config.more_data_dirs])),
        ("images", f"types {' '.join(config.images)}"),
        ("records", f"{len(training)} training, {len(validation)} validation"),
        ("model", preflight.describe_model(model)),
        ("weights", task.weights),
        ("disk", disk),
        ("output", str(run_dir)),
    ]  # fmt: skip
    if first:
        preflight.print_summary(summary)
    task.load(training, validation, on_bad)
    if first:
        for record_id, message in bad_records.items():
            print(f"  left out    {record_id}: {message}")
        save_json(config, run_dir / "config.json")
        write_json(preflight.environment(), run_dir / "environment.json")
        write_split(run_dir, training, validation)

    history = _fit(model, task, run_dir)
    if first:
        _report(history, task, run_dir)
    return run_dir


def _fit(model, task, run_dir):
    """Train from the last checkpoint, if any; returns the logs of all epochs.

    Training in two phases, with the encoder frozen and free, is two calls of
    `fit`; so is a run that was interrupted. `Replay` makes both seamless.
    """
    config = task.config
    checkpoint = latest_checkpoint(run_dir / "checkpoints")
    done = checkpoint.epochs_done if checkpoint else 0
    stopped = checkpoint.stopped if checkpoint else False
    history = read_history(run_dir, done)
    n_steps = task.steps_per_epoch()
    compiled_for = None
    if checkpoint:
        compiled_for = done - 1 < task.frozen_epochs
        task.compile(model, compiled_for)
        model.optimizer.build(model.trainable_variables)
        checkpoint.restore(model)
        print(f"going on after epoch {done} of {config.epochs}")
    end = min(config.epochs, config.stop_after or config.epochs)
    while done < end and not stopped:
        frozen = done < task.frozen_epochs
        last = end
        if frozen:
            last = min(last, task.frozen_epochs)
        if compiled_for != frozen:
            task.compile(model, frozen)
            compiled_for = frozen
        model.fit(
            task.batches(first_epoch=done),
            steps_per_epoch=n_steps,
            initial_epoch=done,
            epochs=last,
            shuffle=False,
            verbose="auto" if processes.is_first() else 0,
            callbacks=_callbacks(task, run_dir, history),
        )
        done, stopped = last, model.stop_training
    return history


def _callbacks(task, run_dir, history):
    """The callbacks of one `fit`, in the order in which they need each other.

    Args:
        history: logs of the epochs before; grows with each epoch.
    """
    config = task.config
    past = [dict(epoch) for epoch in history]
    validation = task.validation()
    early_stopping = EarlyStopping(
        task.monitor, mode="max", patience=config.patience, verbose=1
    )
    schedules = task.schedules()
    best = BestModel(run_dir, validation, past, task.monitor, task.assembled)
    checkpoints = Checkpoints(run_dir / "checkpoints", config.keep_checkpoints)
    shared = []
    if processes.count() > 1:
        validation = processes.OnOwnDevices(validation)
        best = processes.OnOwnDevices(best, copy=False)
        checkpoints = processes.OnOwnDevices(checkpoints, copy=False)
        shared = [processes.SharedLogs()]
    callbacks = [
        validation,
        *shared,
        SeedDropout(config.seed),
        StopOnNaN(),
        early_stopping,
        *schedules,
        Replay([early_stopping, *schedules], past, task.plateau_rate),
    ]
    if not processes.is_first():
        return [*callbacks, HistoryFiles(None, history)]
    callbacks += [best, HistoryFiles(run_dir, history)]
    profiled = PROFILED_STEPS if config.profile else 0
    if profiled and keras.backend.backend() == "jax":
        callbacks.append(Trace(run_dir / "tensorboard"))
        profiled = 0
    if config.tensorboard or profiled:
        callbacks.append(
            keras.callbacks.TensorBoard(
                run_dir / "tensorboard",
                write_graph=False,
                profile_batch=profiled,
            )
        )
    return [*callbacks, checkpoints]


def _report(history, task, run_dir):
    best = best_epoch(history, task.monitor)
    if best is None:
        raise InputError(
            f"{task.monitor} was no number in any of {len(history)} epochs: "
            f"{run_dir} has no best model. Lower --learning-rate, or use "
            "--precision float32"
        )
    named = [task.monitor, "val_competition_snr", "val_error_px"]
    values = ", ".join(
        f"{name} {history[best][name]:.2f}"
        for name in named
        if math.isfinite(history[best].get(name, math.nan))
    )
    print(
        f"best epoch: {best + 1} of {len(history)}, {values}\n"
        f"model: {run_dir / 'best_model.keras'}\n"
        f"curves: {run_dir / 'training_curves.png'}"
    )
    if task.monitor == "val_snr":
        print(
            f"predicted on true leads: {run_dir / 'predictions'}\n"
            "next: python -m ecg_keras evaluate --model "
            f"{run_dir} --data-dir {task.config.data_dir}"
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
            raise InputError(
                f"out of memory on the device. {memory_advice(config)}"
            ) from error
        if is_disk_full(error):
            raise InputError(
                f"the disk of {config.output_dir} is full. Free some of it, "
                "then go on from the last whole checkpoint with --resume "
                f"{config.output_dir}"
            ) from error
        raise

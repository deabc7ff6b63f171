"""Settings of a training run: flags, checks, what may change on resume.

One dataclass holds the settings of all models; each field names the models that
use it. `train.py --model X` shows and accepts those of X. Nothing here imports
Keras: `--help` answers at once.
"""

import argparse
import dataclasses
import datetime
import os
import sys
from pathlib import Path

from ecg_keras.errors import InputError
from ecg_keras.models.architectures import (
    DROPOUT,
    ENCODERS,
    HEAD_UNITS,
    ROW_FILTERS,
    columns_multiple,
)
from ecg_keras.page.row_images import STRIP_WIDTH
from ecg_keras.settings import (
    add_flags,
    flag_name,
    given_settings,
    is_used,
    load_json,
    new_parser,
    read_settings,
    setting,
)

KAGGLE_OUTPUT_DIR = "/kaggle/working"
REGRESSOR, ROWS = "regressor", "tracer"
NAMES = "names"
# The readers' networks, each trained on its own.
NETWORKS = (ROWS, "frame", "photo_frame", "pose", NAMES)
MODELS = (REGRESSOR, *NETWORKS)
# Those whose answers are signals.
READERS = (REGRESSOR, ROWS)
# The regressor's is the guide's (docs/training_guide.md); the networks', small
# and from random weights, is that of the packaged tracers (docs/tracer.md).
REGRESSOR_LEARNING_RATE = 1e-4
NETWORK_LEARNING_RATE = 2e-3

AUTO = "auto"
PRECISIONS = (AUTO, "float32", "mixed_float16", "mixed_bfloat16")

# What may change when a run is resumed: where it reads, how much it keeps, and
# when it stops. The regressor's number of epochs may, too; the learning rate of
# the networks falls along a cosine over all their epochs.
FREE_ON_RESUME = (
    "resume", "about", "data_dir", "more_data_dirs", "cache_dir", "stop_after",
    "keep_checkpoints", "tensorboard", "profile",
)  # fmt: skip
# What a batch's memory grows with, the most effective first.
MEMORY_FIELDS = ("batch_size", "image_size", "tracer_columns", "head_units")


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Settings of a training run; each becomes a flag of train.py."""

    model: str = setting(
        REGRESSOR,
        "regressor: the dense model, on whole pages; tracer: the network that "
        "follows traces; frame: the one that finds the page; photo_frame, "
        "pose: those that find it in a photo; all on pages with maps; names: "
        "the one that reads names of leads, on pages of any maker",
        choices=MODELS,
    )
    recipe: str | None = setting(
        None,
        "JSON file of settings to begin with (recipes/, or a run's "
        "config.json); flags come after it",
        metavar="FILE",
    )
    about: tuple[str, ...] = setting(
        (), "what this run is, for its config.json", metavar="TEXT"
    )
    data_dir: str | None = setting(
        None,
        "folder in the competition's layout (default: $ECG_KERAS_DATA, then "
        "where Kaggle mounts it, then a demo)",
    )
    more_data_dirs: tuple[str, ...] = setting(
        (), "more such folders, whose records are added", metavar="DIR"
    )
    tfds: str | None = setting(
        None,
        "a TFDS dataset instead of a folder: ecg_pages/CONFIG, or the folder "
        "of a built one; its own split is used",
        metavar="NAME",
    )
    output_dir: str | None = setting(
        None, "new folder for the run (default: runs/<time>)"
    )
    encoder: str = setting(
        "efficientnet_b2",
        "image encoder",
        choices=tuple(ENCODERS),
        used_by=(REGRESSOR,),
    )
    weights: str | None = setting(
        None,
        "regressor: imagenet (its default), none, or the folder of a keras-hub "
        "preset; the tracers' networks: none (their default), or the tracer to "
        "begin with",
    )
    others: str | None = setting(
        None,
        "tracer whose other networks complete the one that is saved (default: "
        "the packaged one)",
        metavar="TRACER",
        used_by=NETWORKS,
    )
    image_size: tuple[int, int] = setting(
        (512, 512),
        "images are resized to this",
        metavar=("H", "W"),
        used_by=(REGRESSOR,),
    )
    images: tuple[str, ...] = setting(
        ("0001",), "image types to train on, or all", metavar="TYPE"
    )
    head_units: tuple[int, ...] = setting(
        HEAD_UNITS, "widths of the head's hidden layers", used_by=(REGRESSOR,)
    )
    dropout: float = setting(
        DROPOUT, "dropout in the head", used_by=(REGRESSOR,)
    )
    batch_size: int = setting(8, "examples in a batch, over all devices")
    optimizer: str = setting(
        "AdamW",
        "AdamW keeps two moments of each weight, Lion one",
        choices=("AdamW", "Lion"),
    )
    learning_rate: float | None = setting(
        None, "learning rate (default: 1e-4; the tracers' networks 2e-3)"
    )
    weight_decay: float = setting(1e-5, "weight decay")
    epochs: int = setting(50, "most epochs")
    stop_after: int | None = setting(
        None,
        "end after so many of the epochs; the learning rate falls as if all "
        "of them came",
    )
    patience: int = setting(
        10, "epochs without a better score before the run ends"
    )
    mse_weight: float = setting(
        0.5, "weight of the MSE in mV^2 in the loss", used_by=READERS
    )
    snr_weight: float = setting(
        0.5, "weight of the negative SNR in dB", used_by=READERS
    )
    trace_weight: float = setting(
        10.0,
        "weight of the traces' cross-entropy in the loss",
        used_by=(ROWS,),
    )
    tracer_steps: int = setting(500, "batches in an epoch", used_by=NETWORKS)
    tracer_columns: int = setting(
        320,
        "width of the parts of row images that it learns from",
        used_by=(ROWS,),
    )
    tracer_filters: tuple[int, ...] = setting(
        ROW_FILTERS, "channels at each scale", used_by=(ROWS,)
    )
    other_rows: bool = setting(
        False,
        "tell the network where the page's other rows are, as the page reader "
        "does; what is saved is then the network, no tracer",
        used_by=(ROWS,),
    )
    freeze_norms: bool = setting(
        False,
        "train with the statistics of normalisation that the network will be "
        "used with, rather than each batch's own; for the last part of a "
        "training, with --weights",
        used_by=(ROWS,),
    )
    train_split: float = setting(0.85, "share of the records to train on")
    seed: int = setting(0, "seed of split, weights, order and augmentation")
    precision: str = setting(
        AUTO,
        "dtype policy of the model; auto: for the regressor the fastest that "
        "the device has, for the tracers' networks float32",
        choices=PRECISIONS,
    )
    model_parallel: int = setting(
        1, "JAX: devices over which the head is split", used_by=(REGRESSOR,)
    )
    augment: bool = setting(
        True, "vary light, noise and position of what is read", used_by=READERS
    )
    freeze_encoder_epochs: int = setting(
        0,
        "epochs in which only the head is trained, first",
        used_by=(REGRESSOR,),
    )
    limit_records: int | None = setting(None, "use only the first N records")
    skip_bad_records: bool = setting(
        False, "report records that cannot be read and go on without them"
    )
    keep_checkpoints: int = setting(1, "how many of the newest to keep")
    steps_per_execution: int = setting(1, "steps run at once on the device")
    competition_every: int = setting(
        1,
        "epochs between two scores by the competition's metric",
        used_by=READERS,
    )
    cache_dir: str | None = setting(
        None, "folder of decoded images (default: ~/.cache/ecg_keras)"
    )
    tensorboard: bool = setting(False, "also write TensorBoard logs")
    profile: bool = setting(
        False,
        "also write a trace of some steps, for TensorBoard and Perfetto",
    )
    resume: str | None = setting(
        None, "folder of a run that was interrupted: go on with it"
    )


FIELDS = {field.name: field for field in dataclasses.fields(TrainConfig)}


# === Command line ===


def parse_train_flags(description, argv=None):
    """The command line of train.py.

    The model decides which flags there are: that of --model, of --recipe, or
    of the run that --resume names.

    Args:
        description: first lines of --help.
        argv: the arguments; None: those of the process.

    Returns:
        (config, given): a `TrainConfig`, and the set of the fields that were
        given, also those given the value that is their default.

    Raises:
        InputError: a flag that the model does not use, or a file of settings
            that cannot be read.
    """
    argv = sys.argv[1:] if argv is None else argv
    chooser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for name in ("model", "recipe", "resume"):
        chooser.add_argument(flag_name(name), nargs="?")
    first, _ = chooser.parse_known_args(argv)
    recipe = read_settings(TrainConfig, first.recipe) if first.recipe else {}
    model = first.model or recipe.get("model", REGRESSOR)
    if first.resume and not first.model:
        model = saved_config(first.resume).model
    parser = new_parser(
        description,
        allow_abbrev=False,
        epilog=f"These are the flags of --model {model}; `--model X --help` "
        f"shows those of X: {', '.join(MODELS)}.",
    )
    add_flags(parser, TrainConfig, model)
    flags = given_settings(TrainConfig, parser.parse_args(argv))
    check_used(model, flags)
    # A run's config.json holds all fields; those at their defaults say nothing.
    of_recipe = {k: v for k, v in recipe.items() if v != FIELDS[k].default}
    settings = of_recipe | flags
    return TrainConfig(**settings), set(settings)


def changed_settings(config):
    """Names of the fields that differ from their defaults."""
    return {
        name
        for name, field in FIELDS.items()
        if getattr(config, name) != field.default
    }


# === Checks ===


def check_used(model, given):
    """Refuse settings that a model does not use.

    Args:
        model: one of `MODELS`.
        given: names of the fields that were given.

    Raises:
        InputError: names the flag, and the models that use it.
    """
    for name in sorted(given):
        if not is_used(FIELDS[name], model):
            used_by = ", ".join(FIELDS[name].metadata["used_by"])
            raise InputError(
                f"{flag_name(name)} is not used by --model {model}, only by "
                f"{used_by}"
            )


def check_config(config):
    """Check the values that would otherwise fail much later.

    Raises:
        InputError: names the flag, its value and what was expected.
    """
    multiple = columns_multiple(config.tracer_filters)
    checks = (
        ("model", config.model in MODELS, f"one of {', '.join(MODELS)}"),
        ("image_size", min(config.image_size) >= 32, "32 px or more"),
        ("dropout", 0 <= config.dropout < 1, "0 or more and less than 1"),
        ("batch_size", config.batch_size >= 1, "1 or more"),
        ("learning_rate", (config.learning_rate or 1) > 0, "more than 0"),
        ("weight_decay", config.weight_decay >= 0, "0 or more"),
        ("epochs", config.epochs >= 1, "1 or more"),
        ("stop_after", (config.stop_after or 1) >= 1, "1 or more"),
        ("patience", config.patience >= 1, "1 or more"),
        (
            "freeze_encoder_epochs",
            config.freeze_encoder_epochs >= 0,
            "0 or more",
        ),
        ("limit_records", (config.limit_records or 2) >= 2, "2 or more"),
        ("model_parallel", config.model_parallel >= 1, "1 or more"),
        ("keep_checkpoints", config.keep_checkpoints >= 1, "1 or more"),
        ("steps_per_execution", config.steps_per_execution >= 1, "1 or more"),
        ("competition_every", config.competition_every >= 1, "1 or more"),
        ("seed", config.seed >= 0, "0 or more"),
        ("tracer_steps", config.tracer_steps >= 1, "1 or more"),
        ("tracer_filters", len(config.tracer_filters) >= 2, "2 or more"),
        (
            "tracer_columns",
            config.tracer_columns % multiple == 0
            and 0 < config.tracer_columns <= STRIP_WIDTH,
            f"a multiple of {multiple}, {STRIP_WIDTH} at most",
        ),
    )
    for name, good, expected in checks:
        if not good:
            raise InputError(
                f"expected {flag_name(name)} to be {expected}. "
                f"Received: {getattr(config, name)}"
            )
    if config.tfds and (config.data_dir or config.more_data_dirs):
        if not config.resume:  # The run saved where it unpacked the dataset.
            raise InputError(
                f"--tfds {config.tfds} brings its own records: expected it "
                "without --data-dir and --more-data-dirs. Received: "
                f"{' '.join([config.data_dir or '', *config.more_data_dirs])}"
            )
    if config.freeze_norms and config.weights in (None, "imagenet", "none"):
        raise InputError(
            "--freeze-norms needs --weights with a tracer whose statistics "
            f"are known. Received: --weights {config.weights or 'none'}"
        )
    if config.model == REGRESSOR and not config.resume:
        named = config.weights in (None, "imagenet", "none")
        if not named and not Path(config.weights).exists():
            raise InputError(
                f"--weights {config.weights}: no such folder. Expected "
                "imagenet, none, or the folder of a keras-hub preset"
            )
    elif config.weights == "imagenet" and not config.resume:
        raise InputError(
            f"--weights imagenet is not used by --model {config.model}, only "
            f"by {REGRESSOR}. Expected none, or the tracer to begin with"
        )


# === What was left open ===


def with_defaults(config):
    """The config with what was left open filled in, as its model wants it.

    Folders, the learning rate and what the weights begin with.
    """
    output_dir = config.output_dir
    if output_dir is None and on_kaggle():
        output_dir = KAGGLE_OUTPUT_DIR
    elif output_dir is None:
        now = datetime.datetime.now()
        output_dir = Path("runs") / now.strftime("%Y-%m-%d_%H-%M-%S")
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    cache_dir = config.cache_dir or Path(caches) / "ecg_keras"
    is_regressor = config.model == REGRESSOR
    return dataclasses.replace(
        config,
        learning_rate=config.learning_rate
        or (REGRESSOR_LEARNING_RATE if is_regressor else NETWORK_LEARNING_RATE),
        weights=config.weights or ("imagenet" if is_regressor else "none"),
        output_dir=str(Path(output_dir).resolve()),
        cache_dir=str(Path(cache_dir).resolve()),
    )


def on_kaggle():
    """Whether this is a Kaggle notebook."""
    return "KAGGLE_KERNEL_RUN_TYPE" in os.environ


# === Going on with a run ===


def saved_config(run_dir):
    """The `TrainConfig` of a run.

    Raises:
        InputError: the folder holds no run.
    """
    path = Path(run_dir) / "config.json"
    if not path.is_file():
        raise InputError(
            f"--resume {run_dir}: expected the folder of a run with a "
            "config.json"
        )
    return load_json(TrainConfig, path)


def resumed_config(config, given):
    """The config of the run that `config.resume` names.

    Only `FREE_ON_RESUME`, and the regressor's `epochs`, may be given anew:
    anything else would make another run of it.

    Args:
        config: a `TrainConfig`.
        given: names of its fields that were given.

    Returns:
        The run's `TrainConfig`, with what was given anew.

    Raises:
        InputError: the folder holds no run, or a flag differs from the run's.
    """
    saved = saved_config(config.resume)
    check_used(saved.model, given)
    run_dir = Path(config.resume).resolve()
    saved = dataclasses.replace(saved, output_dir=str(run_dir), resume=None)
    free = FREE_ON_RESUME
    if saved.model == REGRESSOR:
        free += ("epochs",)
    changed = {}
    for name in sorted(given):
        value, before = getattr(config, name), getattr(saved, name)
        if name == "output_dir" and value is not None:
            value = str(Path(value).resolve())
        if value == before:
            continue
        if name not in free:
            why = "A run is resumed with its own settings"
            if name == "epochs":
                why = (
                    "The learning rate falls along a cosine over all epochs "
                    "of the run: stop earlier by --stop-after, or begin "
                    f"another with --weights {config.resume}"
                )
            raise InputError(
                f"{flag_name(name)} {value} differs from {before} in "
                f"{config.resume}/config.json. {why}; only "
                f"{', '.join(map(flag_name, free))} may change"
            )
        changed[name] = value
    return dataclasses.replace(saved, **changed)


# === Advice ===


def memory_advice(config):
    """What to lower where the device's memory is full, for the config's model.

    Args:
        config: a `TrainConfig`.
    """
    lowered = [
        f"{flag_name(name)} (now {_shown(getattr(config, name))})"
        for name in MEMORY_FIELDS
        if is_used(FIELDS[name], config.model)
    ]
    advice = f"Lower {' or '.join(lowered)}"
    if config.model == REGRESSOR:
        # Nobody has measured what 16 bits cost the networks' answers.
        advice += (
            f", or take --precision mixed_bfloat16 (now {config.precision}), "
            f"--optimizer Lion (now {config.optimizer}) or a smaller "
            f"--encoder (now {config.encoder})"
        )
    return advice


def _shown(value):
    return " ".join(map(str, value)) if isinstance(value, tuple) else value

"""Settings of a training run: flags, checks, what may change on resume."""

import dataclasses
import datetime
import os
from pathlib import Path

from ecg_keras.errors import InputError
from ecg_keras.models.backbone import ENCODERS
from ecg_keras.models.reading.row_network import FILTERS, columns_multiple
from ecg_keras.models.regressor import DROPOUT, HEAD_UNITS
from ecg_keras.page.row_images import STRIP_WIDTH
from ecg_keras.settings import load_json, setting
from ecg_keras.training.devices import AUTO, PRECISIONS

KAGGLE_OUTPUT_DIR = "/kaggle/working"
LEARNING_RATES = {
    "regressor": 1e-4,
    "tracer": 2e-3,
    "frame": 2e-3,
    "photo_frame": 2e-3,
    "pose": 2e-3,
}
# What may change when a run is resumed: it decides where, not what.
FREE_ON_RESUME = (
    "resume", "epochs", "data_dir", "output_dir", "cache_dir",
    "keep_checkpoints", "tensorboard", "profile",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Settings of a training run; each becomes a flag of train.py."""

    data_dir: str | None = setting(
        None,
        "folder in the competition's layout (default: $ECG_KERAS_DATA, then "
        "where Kaggle mounts it, then a demo)",
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
    model: str = setting(
        "regressor",
        "regressor: the dense model, on whole pages; tracer: the network that "
        "follows traces; frame: the one that finds the page; photo_frame, "
        "pose: those that find it in a photo; all on pages with maps",
        choices=tuple(LEARNING_RATES),
    )
    encoder: str = setting(
        "efficientnet_b2",
        "the regressor's image encoder",
        choices=tuple(ENCODERS),
    )
    weights: str = setting(
        "imagenet",
        "imagenet, none, or the folder of a keras-hub preset; for tracer and "
        "frame the tracer to begin with (default: none)",
    )
    image_size: tuple[int, int] = setting(
        (512, 512), "images are resized to this", metavar=("H", "W")
    )
    images: tuple[str, ...] = setting(
        ("0001",), "image types to train on, or all", metavar="TYPE"
    )
    head_units: tuple[int, ...] = setting(
        HEAD_UNITS, "widths of the head's hidden layers"
    )
    dropout: float = setting(DROPOUT, "dropout in the head")
    batch_size: int = setting(8, "images in a batch, over all devices")
    optimizer: str = setting(
        "AdamW",
        "AdamW keeps two moments of each weight, Lion one",
        choices=("AdamW", "Lion"),
    )
    learning_rate: float | None = setting(
        None, "learning rate (default: 1e-4; the tracer's networks 2e-3)"
    )
    weight_decay: float = setting(1e-5, "weight decay")
    epochs: int = setting(50, "most epochs")
    patience: int = setting(
        10, "epochs without a better val_snr before the end"
    )
    mse_weight: float = setting(0.5, "weight of the MSE in mV^2 in the loss")
    snr_weight: float = setting(0.5, "weight of the negative SNR in dB")
    trace_weight: float = setting(
        10.0, "tracer: weight of the traces' cross-entropy in the loss"
    )
    tracer_steps: int = setting(
        500, "the tracer's networks: batches in an epoch"
    )
    tracer_columns: int = setting(
        320, "tracer: width of the parts of strips that it learns from"
    )
    tracer_filters: tuple[int, ...] = setting(
        FILTERS, "tracer: channels at each scale"
    )
    freeze_norms: bool = setting(
        False,
        "tracer: train with the statistics of normalisation that it will be "
        "used with, rather than each batch's own; for the last part of a "
        "training, with --weights",
    )
    train_split: float = setting(0.85, "share of the records to train on")
    seed: int = setting(0, "seed of split, weights, order and augmentation")
    precision: str = setting(
        AUTO,
        "dtype policy of the model; auto: for the regressor the fastest that "
        "the device has, for the tracer's networks float32",
        choices=PRECISIONS,
    )
    model_parallel: int = setting(
        1, "regressor, JAX: devices over which the head is split"
    )
    augment: bool = setting(True, "vary rotation, light and noise of pages")
    freeze_encoder_epochs: int = setting(
        0, "epochs in which only the head is trained, first"
    )
    limit_records: int | None = setting(None, "use only the first N records")
    skip_bad_records: bool = setting(
        False, "report records that cannot be read and go on without them"
    )
    keep_checkpoints: int = setting(1, "how many of the newest to keep")
    steps_per_execution: int = setting(1, "steps run at once on the device")
    competition_every: int = setting(
        1, "epochs between two scores by the competition's metric"
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


def check_config(config):
    """Check the values that would otherwise fail much later.

    Raises:
        InputError: names the flag, its value and what was expected.
    """
    checks = (
        ("image_size", min(config.image_size) >= 32, "32 px or more"),
        ("dropout", 0 <= config.dropout < 1, "0 or more and less than 1"),
        ("batch_size", config.batch_size >= 1, "1 or more"),
        ("learning_rate", (config.learning_rate or 1) > 0, "more than 0"),
        ("weight_decay", config.weight_decay >= 0, "0 or more"),
        ("epochs", config.epochs >= 1, "1 or more"),
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
            config.tracer_columns % columns_multiple(config.tracer_filters) == 0
            and 0 < config.tracer_columns <= STRIP_WIDTH,
            f"a multiple of {columns_multiple(config.tracer_filters)}, "
            f"{STRIP_WIDTH} at most",
        ),
    )
    for name, good, expected in checks:
        if not good:
            flag = "--" + name.replace("_", "-")
            raise InputError(
                f"expected {flag} to be {expected}. "
                f"Received: {getattr(config, name)}"
            )
    if config.freeze_norms and config.weights in ("imagenet", "none"):
        raise InputError(
            "--freeze-norms needs --weights with a tracer whose statistics "
            f"are known. Received: --weights {config.weights}"
        )
    of_regressor = config.model == "regressor"
    if of_regressor and config.weights not in ("imagenet", "none"):
        if not Path(config.weights).exists():
            raise InputError(
                f"--weights {config.weights}: no such folder. Expected "
                "imagenet, none, or the folder of a keras-hub preset"
            )


def with_defaults(config):
    """The config with what was left open filled in: folders, learning rate."""
    output_dir = config.output_dir
    if output_dir is None and on_kaggle():
        output_dir = KAGGLE_OUTPUT_DIR
    elif output_dir is None:
        now = datetime.datetime.now()
        output_dir = Path("runs") / now.strftime("%Y-%m-%d_%H-%M-%S")
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    cache_dir = config.cache_dir or Path(caches) / "ecg_keras"
    return dataclasses.replace(
        config,
        learning_rate=config.learning_rate or LEARNING_RATES[config.model],
        output_dir=str(Path(output_dir).resolve()),
        cache_dir=str(Path(cache_dir).resolve()),
    )


def on_kaggle():
    """Whether this is a Kaggle notebook."""
    return "KAGGLE_KERNEL_RUN_TYPE" in os.environ


def resumed_config(config):
    """The config of the run that `config.resume` names.

    Only `FREE_ON_RESUME` may be given anew: anything else would make another
    run of it.

    Raises:
        InputError: the folder holds no run, or a flag differs from the run's.
    """
    path = Path(config.resume) / "config.json"
    if not path.is_file():
        raise InputError(
            f"--resume {config.resume}: expected the folder of a run with a "
            "config.json"
        )
    saved = load_json(TrainConfig, path)
    changed = {}
    for field in dataclasses.fields(TrainConfig):
        value = getattr(config, field.name)
        if value == field.default or value == getattr(saved, field.name):
            continue
        if field.name not in FREE_ON_RESUME:
            flag = "--" + field.name.replace("_", "-")
            raise InputError(
                f"{flag} {value} differs from {getattr(saved, field.name)} in "
                f"{path}. A run is resumed with its own settings; only "
                f"{', '.join(FREE_ON_RESUME)} may change"
            )
        changed[field.name] = value
    changed["output_dir"] = str(Path(config.resume).resolve())
    return dataclasses.replace(saved, **changed)

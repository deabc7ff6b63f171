"""Images to files of signals: the `digitize` command."""

import collections
import dataclasses
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ecg_keras.ecg.leads import RATE_HZ, printed_mask
from ecg_keras.ecg.plotting import plot_signals
from ecg_keras.ecg.signal_files import (
    FORMATS,
    deviations_table,
    signals_table,
    write_signals,
)
from ecg_keras.errors import InputError
from ecg_keras.files import check_output_dir
from ecg_keras.page.images import read_image
from ecg_keras.predictor import DEFAULT_MODEL, load, refusal
from ecg_keras.settings import positional, setting

BATCH_SIZE = 8


@dataclasses.dataclass(frozen=True)
class DigitizeConfig:
    """Settings of `python -m ecg_keras digitize`."""

    images: tuple[str, ...] = positional("image files", metavar="IMAGE")
    model: tuple[str, ...] = setting(
        (DEFAULT_MODEL,),
        "reader (the tracer; the photo tracer for what it refuses), tracer or "
        "photo_tracer, which come with the package; a run, an export or a "
        ".keras file; several are averaged",
        metavar="M",
    )
    output_dir: str | None = setting(None, "folder for the files")
    rate_hz: int = setting(RATE_HZ, "samples a second of the tables")
    format: tuple[str, ...] = setting(
        ("csv",), "kinds of files to write", choices=FORMATS
    )
    picture: bool = setting(
        True, "also write a picture of the page and what was found"
    )
    average_images: bool = setting(
        False, "the images show one record: average what they give"
    )
    skip_bad_images: bool = setting(
        False, "report images that cannot be read and go on without them"
    )
    force: bool = setting(
        False, "also write what was read on a page of an unknown layout"
    )
    std: bool = setting(
        False, "add columns with the standard deviation of each sample, in mV"
    )
    overwrite: bool = setting(False, "replace files that are there already")


def digitize(config):
    """Write the signals of some images.

    Args:
        config: a `DigitizeConfig`. For each image `<stem>.csv` and `<stem>.png`
            are written, for `average_images` those of the first.

    Returns:
        list of the stems written.

    Raises:
        InputError: a setting, a model or an image is no good.
    """
    output_dir = _check(config)
    predictor = load(config.model)
    if config.average_images:
        batches = [config.images]
    else:
        starts = range(0, len(config.images), BATCH_SIZE)
        batches = [config.images[i : i + BATCH_SIZE] for i in starts]
    written, bad = [], {}
    with tqdm(total=len(config.images), desc="digitizing") as bar:
        for names in batches:
            images = {}
            for name in names:
                try:
                    images[name] = read_image(name)
                except InputError as error:
                    if not config.skip_bad_images:
                        raise
                    bad[name] = error
            if images:
                reading = predictor.read(list(images.values()))
                accepted = _accepted(reading, list(images), config, bad)
                groups = [[index] for index in accepted]
                if config.average_images:
                    groups = [accepted] if accepted else []
                for averaged in groups:
                    name = list(images)[averaged[0]]
                    signals_mv = reading.signals_mv[averaged].mean(axis=0)
                    # Errors of one page's pictures are much alike.
                    std_mv = reading.std_mv[averaged].mean(axis=0)
                    _write(
                        output_dir,
                        name,
                        images[name],
                        signals_mv,
                        std_mv if config.std else None,
                        config,
                    )
                    written.append(Path(name).stem)
            bar.update(len(names))
    print(f"wrote {', '.join(config.format)} of {len(written)} to {output_dir}")
    for error in bad.values():
        print(f"left out: {error}")
    if not written:
        raise InputError("none of the images could be read")
    return written


def _accepted(reading, names, config, bad):
    """Indices of the images whose layout was found; others are reported."""
    accepted = []
    for index, refused in enumerate(reading.refused):
        if refused and not config.force:
            error = InputError(refusal(names[index]))
            if not config.skip_bad_images:
                raise error
            bad[names[index]] = error
        else:
            accepted.append(index)
    return accepted


def _write(output_dir, name, image, signals_mv, std_mv, config):
    stem = Path(name).stem
    if not np.isfinite(signals_mv).all():
        raise InputError(f"{name}: the model's answer is not finite")
    table = signals_table(signals_mv, config.rate_hz)
    if std_mv is not None:
        table = table.join(deviations_table(std_mv, config.rate_hz))
    if config.picture:
        plot_signals(
            output_dir / f"{stem}.png",
            np.where(printed_mask() > 0, signals_mv, np.nan),
            title=stem,
            image=image,
        )
    for file_format in config.format:
        write_signals(output_dir / stem, table, file_format)


def _check(config):
    if config.rate_hz < 50:
        raise InputError(
            f"expected --rate-hz of 50 or more. Received: {config.rate_hz}"
        )
    stems = collections.defaultdict(list)
    for name in config.images:
        stems[Path(name).stem].append(name)
    for stem, names in stems.items():
        if len(names) > 1 and not config.average_images:
            raise InputError(
                f"{' and '.join(names)} would both be written to {stem}.csv; "
                "digitize them into different folders"
            )
    suffixes = (".csv", ".parquet", "_wfdb", ".png")
    written = [stem + suffix for stem in stems for suffix in suffixes]
    output_dir = check_output_dir(
        config.output_dir,
        names=() if config.overwrite else written,
        advice="another --output-dir, or --overwrite",
    )
    output_dir.mkdir(parents=True, exist_ok=True)
    return output_dir

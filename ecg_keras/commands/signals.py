"""Files of signals to draw pages from: the `signals` command.

It joins recordings of npz files and of WFDB folders (PTB-XL), chooses among
them by id or by chance, and can raise some of their beats.
"""

import dataclasses
from pathlib import Path

import numpy as np

from ecg_keras.ecg.raised_beats import raise_beats
from ecg_keras.ecg.signal_files import (
    read_signals_file,
    read_wfdb_folder,
    write_signals_file,
)
from ecg_keras.errors import InputError
from ecg_keras.settings import positional, setting

RAISED_PREFIX = "raised_"


@dataclasses.dataclass(frozen=True)
class SignalsConfig:
    """Settings of `python -m ecg_keras signals`."""

    signals: tuple[str, ...] = positional(
        "npz files, or folders of WFDB records of 10 s at 500 Hz",
        metavar="SIGNALS",
    )
    output: str | None = setting(None, "npz file to write")
    only: str | None = setting(
        None, "text file of ids, one a line: keep these", metavar="FILE"
    )
    without: str | None = setting(
        None, "text file of ids, one a line: leave these out", metavar="FILE"
    )
    records: int | None = setting(
        None, "keep only so many, chosen by --seed (default: all, in order)"
    )
    raise_beats: bool = setting(
        False,
        "raise some beats to 3 to 9 mV; ids then begin with " + RAISED_PREFIX,
    )
    seed: int = setting(0, "seed of what is chosen and raised")


def choose_signals(config):
    """Write an npz file of chosen recordings.

    Args:
        config: a `SignalsConfig`.

    Returns:
        list of the ids written.

    Raises:
        InputError: a file, an id or a number of records is no good.
    """
    if not config.output or Path(config.output).suffix != ".npz":
        raise InputError(
            "expected --output to be the name of an npz file. Received: "
            f"{config.output}"
        )
    if Path(config.output).exists():
        raise InputError(f"{config.output} exists; give another --output")
    ids, parts = [], []
    for path in config.signals:
        read = read_wfdb_folder if Path(path).is_dir() else read_signals_file
        names, signals_mv = read(path)
        ids.extend(names)
        parts.append(signals_mv)
    signals_mv = np.concatenate(parts)
    repeated = [name for name in ids if ids.count(name) > 1]
    if repeated:
        raise InputError(
            f"the id {repeated[0]} is twice in {' '.join(config.signals)}"
        )
    chosen = _chosen(ids, config)
    rng = np.random.default_rng(config.seed)
    if config.records is not None:
        if not 1 <= config.records <= len(chosen):
            raise InputError(
                f"expected --records from 1 to the {len(chosen)} that there "
                f"are. Received: {config.records}"
            )
        order = rng.permutation(len(chosen))[: config.records]
        chosen = [chosen[k] for k in order]
    ids = [ids[k] for k in chosen]
    signals_mv = signals_mv[chosen]
    if config.raise_beats:
        ids = [RAISED_PREFIX + name for name in ids]
        signals_mv = np.stack([raise_beats(s, rng) for s in signals_mv])
    write_signals_file(config.output, ids, signals_mv)
    print(f"wrote {len(ids)} recordings to {config.output}")
    return ids


def _chosen(ids, config):
    """Indices of the ids that --only and --without leave."""
    chosen = list(range(len(ids)))
    if config.only:
        only = _read_ids(config.only, "--only", ids)
        chosen = [k for k in chosen if ids[k] in only]
    if config.without:
        without = _read_ids(config.without, "--without", ids)
        chosen = [k for k in chosen if ids[k] not in without]
    if not chosen:
        raise InputError("--only and --without leave no recording")
    return chosen


def _read_ids(path, flag, known):
    try:
        lines = Path(path).read_text().splitlines()
    except FileNotFoundError:
        raise InputError(f"{flag} {path} does not exist") from None
    found = {line.strip() for line in lines if line.strip()}
    unknown = sorted(found - set(known))
    if unknown:
        raise InputError(
            f"{flag} {path}: {', '.join(unknown[:5])} is not among the "
            f"{len(known)} recordings"
        )
    return found

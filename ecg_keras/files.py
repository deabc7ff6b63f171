"""Files and folders that a command writes: whole, and never over others."""

import contextlib
import glob
import json
import os
import shutil
import struct
import tokenize
import uuid
import zipfile
import zlib
from pathlib import Path

import filelock

from ecg_keras.errors import InputError

LOCK_FILE = ".ecg_keras.lock"

# What Pillow, NumPy, zipfile and json raise for damaged files, each in its own
# way, and most of it in none that they tell of (benchmarks/fuzz.py).
DAMAGED = (
    OSError, ValueError, KeyError, IndexError, TypeError, AttributeError,
    EOFError, OverflowError, RuntimeError, SyntaxError, struct.error,
    tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


@contextlib.contextmanager
def replacing(path):
    """Write to a temporary neighbour, then move it into place.

    Yields a path in the same folder, with the same suffix, that does not exist
    yet; the caller writes a file or a folder there. Where the block succeeds it
    replaces `path`; where it raises it is removed and `path` stays as it was.

    Args:
        path: the file or folder to write; its parent is made.

    Raises:
        OSError: from the file system, such as a full disk.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".partial-{uuid.uuid4().hex[:8]}-{path.name}")
    try:
        yield partial
        if partial.is_dir() and path.is_dir():
            # A folder cannot replace a full folder: move the old one aside.
            old = partial.with_name(partial.name + ".old")
            os.replace(path, old)
            os.replace(partial, path)
            shutil.rmtree(old)
        else:
            os.replace(partial, path)
    finally:
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)


def remove_partial(folder, name=None, below=False):
    """Remove what killed runs left of `replacing` in a folder.

    Only for the one process that may write there.

    Args:
        folder: where to look.
        name: of what was to be written; any by default.
        below: look in the folders below, too.
    """
    name = "*" if name is None else glob.escape(name)
    pattern = f".partial-{'[0-9a-f]' * 8}-{name}"
    folder = Path(folder)
    for left in list((folder.rglob if below else folder.glob)(pattern)):
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink(missing_ok=True)


@contextlib.contextmanager
def alone_in(folder):
    """Be the one process that works in a folder; a kill gives it free.

    What killed processes left half-written there is removed.

    Raises:
        InputError: another process does.
    """
    lock = filelock.FileLock(Path(folder) / LOCK_FILE, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise InputError(
            f"another process is working in {folder}: wait for it, or end it"
        ) from None
    try:
        remove_partial(folder, below=True)
        yield
    finally:
        lock.release()


def write_json(values, path, indent=2):
    """Write a dict as JSON, moved into place when whole.

    Args:
        values: what JSON can hold; anything else as its `str`.
        path: the file.
        indent: spaces for each level; None for one line, of large arrays.
    """
    text = json.dumps(values, indent=indent, default=str)
    with replacing(path) as partial:
        partial.write_text(text + "\n")


def write_csv(table, path, *, index=False, **options):
    """Write a DataFrame as csv, moved into place when whole.

    Args:
        table: pandas.DataFrame.
        path: the file.
        index: also write the table's index.
        options: of `DataFrame.to_csv`.
    """
    with replacing(path) as partial:
        table.to_csv(partial, index=index, **options)


def check_output_dir(output_dir, *, names=None, advice="a new folder"):
    """Check a folder to write before any work is done for it.

    Args:
        output_dir: as given by `--output-dir`; it need not exist.
        names: what will be written there and must not be there yet; None: the
            folder must be empty.
        advice: what to give instead, for the message.

    Returns:
        pathlib.Path of the folder.

    Raises:
        InputError: no folder was given, it is a file, or it holds something.
    """
    if not output_dir:
        raise InputError("--output-dir is missing: the folder to write")
    folder = Path(output_dir)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--output-dir {folder} is a file; expected a folder")
    found = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
    found = [name for name in found if name != LOCK_FILE]
    if names is not None:
        found = [name for name in found if name in names]
        if found:
            raise InputError(
                f"{folder / found[0]} exists already; expected {advice}"
            )
    elif found:
        more = ", ..." if len(found) > 5 else ""
        raise InputError(
            f"--output-dir {folder} is not empty: it holds "
            f"{', '.join(found[:5])}{more}. Expected {advice}"
        )
    return folder

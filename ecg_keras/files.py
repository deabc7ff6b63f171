"""Writing files so that nothing half-written is ever taken for whole."""

import contextlib
import json
import os
import shutil
import uuid
from pathlib import Path


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


def write_json(values, path):
    """Write a dict as JSON, moved into place when whole."""
    text = json.dumps(values, indent=2, default=str)
    with replacing(path) as partial:
        partial.write_text(text + "\n")

"""The user's cache: what JAX compiles for a command, kept for the next one.

A model's first page takes longer to compile than to read.
"""

import os
import sys
from pathlib import Path

# JAX's own variables; one that the user has set stays as it is.
_KEEP_ALL = {
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}


def keep_compiled_programs():
    """Let JAX keep what it compiles; to be called before Keras is imported.

    The folder is `ecg_keras` in the user's cache; JAX_COMPILATION_CACHE_DIR
    names another, and an empty value none.
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(cache_dir() / "xla")
    for name, value in _KEEP_ALL.items():
        os.environ.setdefault(name, value)


def cache_dir():
    """`ecg_keras` in the folder where the system keeps a user's caches."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "ecg_keras"

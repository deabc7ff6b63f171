"""The one exception whose message is written for the person at the keyboard.

Every module raises `InputError` for input that the user can mend: a file, a
flag, a folder. Commands print its message without a traceback and exit with 1;
any other exception is a defect of this package and shows its traceback.
"""

import errno


class InputError(ValueError):
    """Input that cannot be used.

    The message names the file or flag, the value found and what was expected.

    Attributes:
        advice: what to do about it, where the message does not say it.
    """

    def __init__(self, message="", advice=""):
        super().__init__(message)
        self.advice = advice


class UsageError(InputError):
    """Flags or arguments that cannot be used: the command ends with 2."""


def is_out_of_memory(error):
    """Whether an exception of any backend means: the device's memory is full.

    Each has its own type, which is not there unless the backend is.
    """
    text = f"{type(error).__name__}: {error}".lower()
    words = ("resource_exhausted", "resourceexhausted", "out of memory")
    return isinstance(error, MemoryError) or any(
        word in text for word in (*words, "outofmemory")
    )


def is_disk_full(error):
    """Whether an exception, even one of HDF5, means: the disk is full."""
    return getattr(error, "errno", 0) == errno.ENOSPC or "errno = 28" in str(
        error
    )

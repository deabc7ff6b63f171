"""What people are told of pages that were not read, and what they can do."""

import errno
import re

from ecg_keras.errors import InputError, is_disk_full, is_out_of_memory

# Exit codes of commands that read pages: all were read; none was; some failed
# or are doubtful.
ALL_READ, NOTHING_READ, SOME_FAILED = 0, 1, 3
FAILURE_COLUMNS = ("path", "page", "reason", "what_to_do")
REFUSED_ADVICE = (
    "scan or photograph the page flat, whole and sharp; --force writes what "
    "was read, which is most likely wrong"
)
NOT_READ_ADVICE = (
    "open it in a viewer; if that cannot show it, scan or photograph the page "
    "again"
)
DEFECT_ADVICE = "a defect of ecg_keras: please report it"
# Surrogates that stand for no byte of a name.
_NO_BYTE = re.compile(r"[\ud800-\udc7f\udd00-\udfff]")
MEMORY_ADVICE = "make it smaller: a page needs about 2200 x 1700 px"


def told(error):
    """What is said of a page that failed.

    Args:
        error: the exception.

    Returns:
        (reason, advice), str.
    """
    if isinstance(error, InputError):
        return str(error), error.advice or NOT_READ_ADVICE
    if is_out_of_memory(error):
        return "needs more memory than there is", MEMORY_ADVICE
    return f"unexpected {type(error).__name__}: {error}", DEFECT_ADVICE


def is_of_the_machine(error):
    """Whether an exception is no page's fault: full disk, too many files."""
    return is_disk_full(error) or getattr(error, "errno", 0) in (
        errno.EMFILE,
        errno.ENFILE,
        errno.EROFS,
    )


def printable(path):
    """A path, or text, as text that any encoding takes.

    A name that is not UTF-8 keeps its bytes as `\\xNN`; other halves of
    surrogate pairs, which JSON may hold, become `\\uNNNN`.
    """
    text = _NO_BYTE.sub(lambda half: f"\\u{ord(half[0]):04x}", str(path))
    return text.encode("utf-8", "surrogateescape").decode(
        "utf-8", "backslashreplace"
    )

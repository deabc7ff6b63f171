"""What a command line names, as files: folders, patterns and lists."""

import glob
from pathlib import Path

from ecg_keras.errors import UsageError

# Suffixes that are taken from a folder; a file named by itself may have any.
SUFFIXES = frozenset(
    ".png .jpg .jpeg .jpe .jfif .tif .tiff .webp .bmp .gif .pdf .heic .heif "
    ".avif .jp2 .ppm .pgm .pnm".split()
)


def find_files(names, leave_out=None):
    """Files that a command line names.

    Args:
        names: list of str; each a file, a folder (of which all files of the
            kinds in `SUFFIXES` are taken, also from folders in it), a pattern
            with `*`, `?` or `[...]` (`**` for folders in folders), or
            `@LIST`, a text file that has one of these in each line.
        leave_out: folder whose files are not taken from a folder or pattern,
            such as that of the answers.

    Returns:
        (files, ignored): list of `pathlib.Path`, each file once, in the order
        of the command line, those of a folder by name; and a list of those
        that the folders hold besides. A file named by itself need not exist.

    Raises:
        UsageError: a folder or pattern without such files, a list that cannot
            be read, or nothing at all. Names it.
    """
    left_out = leave_out and Path(leave_out).resolve()
    files, ignored = {}, {}
    for name in _lines(names):
        path = Path(name)
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.is_file())
            found = [p for p in inside if not _is_hidden(p.relative_to(path))]
        elif glob.has_magic(name) and not path.exists():
            found = [Path(p) for p in sorted(glob.glob(name, recursive=True))]
            found = [p for p in found if p.is_file()]
        else:
            files[path] = None
            continue
        found = [p for p in found if not _is_below(p, left_out)]
        chosen = [p for p in found if p.suffix.lower() in SUFFIXES]
        if not chosen:
            raise UsageError(
                f"{name} has no picture and no PDF; expected files with one of "
                f"the suffixes {' '.join(sorted(SUFFIXES))}"
            )
        files |= dict.fromkeys(chosen)
        ignored |= dict.fromkeys(p for p in found if p not in files)
    if not files:
        raise UsageError(
            "no page was given: name pictures, PDFs, folders of them, patterns "
            "or @LIST, a text file with one of these in each line"
        )
    return list(files), list(ignored)


def _lines(names):
    """Names of a command line, those of `@LIST` in its place."""
    for name in names:
        if not name.startswith("@") or Path(name).exists():
            yield name
            continue
        try:
            text = Path(name[1:]).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                f"{name}: expected a text file with one file name in each "
                f"line: {error}"
            ) from None
        yield from (line.strip() for line in text.splitlines() if line.strip())


def _is_hidden(path):
    return any(part.startswith(".") for part in path.parts)


def _is_below(path, folder):
    return folder is not None and folder in path.resolve().parents

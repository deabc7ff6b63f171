"""Flags that commands on pages share: files, folders, models, what is known."""

import dataclasses

from ecg_keras.errors import InputError, UsageError
from ecg_keras.models.layout.given import Given
from ecg_keras.packaged import PAGE_READER
from ecg_keras.reading_processes import (
    FEWEST_PAGES,
    MOST_PROCESSES,
    n_processes,
)
from ecg_keras.settings import flag_name, positional, setting

MODEL_HELP = (
    "reader, for pages of any layout; tracer or photo_tracer, for the "
    "competition's alone; a run, an export or a .keras file; several are "
    "averaged"
)


def page_files():
    """The field `images`: what `documents.sources.find_files` takes."""
    return positional(
        "pictures, PDFs, folders, patterns, or @LIST, a text file that names "
        "them line by line",
        metavar="FILE",
    )


def output_folder():
    """The field `output_dir`."""
    return setting(None, "folder for the files")


def known_scale():
    """The field `px_per_mm`."""
    return setting(
        None, "px of the pictures for each mm of the paper (default: found)"
    )


def processes():
    """The field `processes`."""
    return setting(
        None,
        "processes that read pages, of 1 GB each (default: one for each core, "
        f"{MOST_PROCESSES} at most; of fewer than {FEWEST_PAGES} pages one)",
    )


def processes_for(config, n_pages):
    """How many processes read a command's pages: models read in this one."""
    if tuple(config.model) != (PAGE_READER,):
        return 1
    return n_processes(n_pages, config.processes)


def check_processes(count):
    """Raises: UsageError: the number of processes is none."""
    if count is not None and count < 1:
        raise UsageError(
            f"expected --processes of 1 or more. Received: {count}"
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class GivenFlags:
    """What a user may say of all pages; the reader finds the rest."""

    layout: str | None = setting(
        None, "layout of all pages, such as 3x4+1 (default: found)"
    )
    speed: float | None = setting(
        None, "paper speed of all pages in mm/s (default: by the pulses)"
    )
    gain: float | None = setting(
        None, "gain of all pages in mm/mV (default: by the pulses)"
    )
    px_per_mm: float | None = known_scale()

    def given(self):
        """What the flags say.

        Returns:
            `given.Given`.

        Raises:
            UsageError: a value is no layout, speed, gain or scale, or the
                model would not look at it.
        """
        if self.model != (PAGE_READER,):
            for field in dataclasses.fields(GivenFlags):
                if getattr(self, field.name) is not None:
                    raise UsageError(
                        f"{flag_name(field.name)} is for --model "
                        f"{PAGE_READER}. Received: --model "
                        f"{' '.join(self.model)}"
                    )
        return said(self.layout, self.speed, self.gain, self.px_per_mm)


def said(*args, **kwargs):
    """A `given.Given`, of flags.

    Raises:
        UsageError: a value is no good.
    """
    try:
        return Given(*args, **kwargs)
    except InputError as error:
        raise UsageError(str(error)) from None

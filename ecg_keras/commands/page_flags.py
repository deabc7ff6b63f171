"""Flags of every command that takes files of pages and writes a folder."""

from ecg_keras.settings import positional, setting


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

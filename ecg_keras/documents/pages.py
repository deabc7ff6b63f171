"""A file as its pages: each page of a PDF or TIFF, or the one of a picture."""

import dataclasses
import hashlib
import re
import stat
from pathlib import Path

from PIL import Image

from ecg_keras.documents import pdf, vector
from ecg_keras.documents.failures import printable
from ecg_keras.errors import InputError
from ecg_keras.page import jpeg_damage
from ecg_keras.page.images import (
    NOT_DECODED,
    opened,
    read_image,
    resize,
    to_rgb,
)

# The long side of a page at which letters of 4 mm are 2 px high.
ILLEGIBLE_PX = 150


@dataclasses.dataclass(frozen=True)
class Page:
    """One page of a file; nothing of it is decoded yet.

    Attributes:
        path: the file.
        index: which of its pages, from 0.
        count: how many it has.
        stem: the name, without suffix, of what is written for it.
        problem: why the file cannot be opened, or None.
    """

    path: Path
    index: int = 0
    count: int = 1
    stem: str = ""
    problem: InputError | None = None

    @property
    def label(self):
        """The file's name, and the page's number where it has several."""
        if self.count == 1:
            return printable(self.path)
        return f"{printable(self.path)}, page {self.index + 1} of {self.count}"

    def read(self):
        """(H, W, 3) uint8 RGB of the page.

        Raises:
            InputError: see `images.read_image` and `pdf.read_page`.
        """
        if self.problem:
            raise self.problem
        if is_pdf(self.path):
            grid_mm_pt = vector.grid_mm_pt(self.path, self.index)
            return pdf.read_page(self.path, self.index, grid_mm_pt)
        if self.count == 1:
            return read_image(self.path)
        with opened(self.path) as image:
            image.seek(self.index)
            image.load()
            return to_rgb(image, self.path)

    def damage(self):
        """Why the pixels that `read` gives may be wrong: a tuple of str."""
        if is_pdf(self.path):
            return pdf.damage(self.path, self.index)
        return jpeg_damage.damage(self.path.read_bytes(), self.index)

    def read_paths(self):
        """`DigitizedEcg` of traces that a PDF holds as paths, or None.

        Raises:
            InputError: the file is damaged.
        """
        reading = self.read_traces()
        return reading and reading.digitized

    def read_traces(self):
        """`vector.VectorReading` of a PDF's paths, or None.

        Raises:
            InputError: the file is damaged.
        """
        if self.problem or not is_pdf(self.path):
            return None
        return vector.read_traces(self.path, self.index)

    def sha256(self):
        """Of the file, in hexadecimal digits."""
        with open(self.path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def find_pages(files):
    """All pages of some files, each with a name of its own.

    Page k of a file is `<stem>_p<k>` from the second on. Where two files would
    get one name, all of them get their suffix as well, as `page_jpg`, and where
    that is not enough a number.

    Args:
        files: list of paths; one that cannot be opened is one page with a
            `problem`.

    Returns:
        list of `Page`.
    """
    stems = [_stem(path.stem) for path in files]
    repeated = {stem for stem in stems if stems.count(stem) > 1}
    pages, names = [], set()
    for path in files:
        stem = _stem(path.stem)
        if stem in repeated:
            stem = re.sub(r"[.]", "_", _stem(path.name))
        count, problem = 1, None
        try:
            count = _page_count(path)
        except InputError as error:
            problem = error
        for index in range(count):
            name = stem + (f"_p{index + 1}" if index else "")
            unique, number = name, 2
            while unique.lower() in names:
                unique, number = f"{name}_{number}", number + 1
            names.add(unique.lower())
            pages.append(Page(path, index, count, unique, problem))
    return pages


def shown_part(image, traces_box, whole_page=False):
    """What people are shown of a page: not its header, which may name them.

    Args:
        image: (H, W, 3) uint8.
        traces_box: see `DigitizedEcg`.
        whole_page: show all of it.

    Returns:
        (h, w, 3) uint8: the part that holds the traces; where that is not
        known, the page so small that its text cannot be read.
    """
    if whole_page:
        return image
    height, width = image.shape[:2]
    if traces_box is None:
        scale = min(ILLEGIBLE_PX / max(height, width), 1)
        return resize(
            image,
            max(round(height * scale), 1),
            max(round(width * scale), 1),
        )
    left, top, right, bottom = traces_box
    return image[
        round(top * height) : round(bottom * height),
        round(left * width) : round(right * width),
    ]


def is_pdf(path):
    """Whether a file begins as a PDF does, whatever its name is."""
    with open(path, "rb") as file:
        return b"%PDF-" in file.read(1024)


def _stem(name):
    """A name whose bytes are no UTF-8 as one that every file system takes."""
    text = printable(name)
    return name if text == name else text.replace("\\", "_")


def _page_count(path):
    """Raises: InputError: the file cannot be opened at all."""
    try:
        kind = path.stat().st_mode
    except FileNotFoundError:
        raise InputError(f"{path} does not exist", "check its name") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    if stat.S_ISDIR(kind):
        raise InputError(f"{path} is a folder; expected a file")
    if not stat.S_ISREG(kind):
        # A pipe or a device: to open it may wait for ever.
        raise InputError(f"{path} is no ordinary file")
    try:
        if is_pdf(path):
            return pdf.page_count(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    try:
        with Image.open(path) as image:
            # Other formats have frames of a film, or small previews.
            return _count_tiff(image) if image.format == "TIFF" else 1
    except NOT_DECODED:
        # `read_image` says in words what is wrong with it.
        return 1


def _count_tiff(image):
    """Pages of a TIFF, the first that is damaged among them as the last."""
    count = 1
    while True:
        try:
            image.seek(count)
        except EOFError:
            return count
        except NOT_DECODED:
            return count + 1
        count += 1

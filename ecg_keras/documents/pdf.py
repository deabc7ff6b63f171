"""Pages of PDF files as pictures, by pdfium.

A page that is one scan gives the scan's own pixels. Any other is drawn at the
resolution that it needs: that of the finest picture on it, and about 8 px for
each mm of its grid, or of a page of 280 mm where no grid is known.
"""

import contextlib
import zlib

import cv2
import numpy as np
import pypdfium2
import pypdfium2.raw as pdfium_c

from ecg_keras.documents.failures import printable
from ecg_keras.errors import InputError
from ecg_keras.page import jpeg_damage

# The long side of a page that is drawn: 7.9 px a mm of a sheet of 11 inches.
LONG_SIDE_PX = 2200
GRID_PX_PER_MM = 8
MAX_LONG_SIDE_PX = 7000
# A picture that covers this share of its page is a scan of the page.
MIN_SCAN_SHARE = 0.6
# A scan is compared with the page as it looks, this many px long.
_THUMBNAIL_PX = 160
_MIN_CORRELATION = 0.8


@contextlib.contextmanager
def opened(path):
    """A PDF file, opened.

    Yields:
        pypdfium2.PdfDocument.

    Raises:
        InputError: the file is damaged, or needs a password.
    """
    try:
        # pdfium takes names in UTF-8 alone.
        named = printable(path) == str(path)
        document = pypdfium2.PdfDocument(path if named else path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path} does not exist", "check its name") from None
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise InputError(
                f"{path} needs a password; save a copy without one"
            ) from None
        raise InputError(f"{path} is a damaged PDF: {error}") from None
    try:
        yield document
    finally:
        document.close()


@contextlib.contextmanager
def opened_page(path, index):
    """A page of a PDF file.

    Args:
        path: the file.
        index: number of the page, from 0.

    Yields:
        pypdfium2.PdfPage.

    Raises:
        InputError: see `opened`, or the page is damaged.
    """
    with opened(path) as document:
        try:
            page = document[index]
            # pdfium 5.0 opens what is no page, and knows no rotation of it.
            if pdfium_c.FPDFPage_GetRotation(page) < 0:
                raise pypdfium2.PdfiumError("it is no page")
            yield page
        except pypdfium2.PdfiumError as error:
            raise InputError(
                f"{path}, page {index + 1}, is damaged: {error}"
            ) from None


def page_count(path):
    """Number of pages of a PDF file.

    Raises:
        InputError: see `opened`, or the file has no page.
    """
    with opened(path) as document:
        count = len(document)
    if not count:
        raise InputError(f"{path} has no page")
    return count


def read_page(path, index, grid_mm_pt=None):
    """A page of a PDF file as a picture.

    Args:
        path: the file.
        index: number of the page, from 0.
        grid_mm_pt: points of 1/72 inch for each mm of its grid, if known.

    Returns:
        (H, W, 3) uint8 RGB, as the page is meant to be seen.

    Raises:
        InputError: see `opened_page`.
    """
    with opened_page(path, index) as page:
        scan = _scan(page)
        return _drawn(page, _scale(page, grid_mm_pt)) if scan is None else scan


def damage(path, index):
    """Why the pictures on a page may be wrong; pdfium does not say.

    Args:
        path, index: see `read_page`; of a page that could be read.

    Returns:
        tuple of str.
    """
    with opened_page(path, index) as page:
        for picture in page.get_objects([pdfium_c.FPDF_PAGEOBJ_IMAGE]):
            said = _warning_of(picture)
            if said:
                return (jpeg_damage.reason(said),)
    return ()


def _warning_of(picture):
    """What is wrong with the data of a picture on a page, or None."""
    filters = picture.get_filters()
    if filters[-1:] == ["DCTDecode"]:
        return jpeg_damage.warning_of(bytes(picture.get_data(True)))
    if filters == ["FlateDecode"]:
        try:
            zlib.decompress(picture.get_data(False))
        except zlib.error as error:
            return str(error)
    return None


def _drawn(page, scale):
    """(H, W, 3) uint8; `scale`: px for each point of 1/72 inch."""
    bitmap = page.render(scale=scale, rev_byteorder=True)
    return np.ascontiguousarray(bitmap.to_numpy()[..., :3])


def _scale(page, grid_mm_pt):
    """Px for each point at which nothing on the page is lost."""
    long_side_pt = max(page.get_size())
    scale = LONG_SIDE_PX / long_side_pt
    if grid_mm_pt:
        scale = GRID_PX_PER_MM / grid_mm_pt
    for picture in page.get_objects([pdfium_c.FPDF_PAGEOBJ_IMAGE]):
        density = _density(picture)
        if _size_pt(picture)[0] > 0.1 * long_side_pt:
            scale = max(scale, density)
    return min(scale, MAX_LONG_SIDE_PX / long_side_pt)


def _density(picture):
    """Px for each point of a picture on a page."""
    width_pt, height_pt = _size_pt(picture)
    width_px, height_px = picture.get_px_size()
    return max(width_px / max(width_pt, 1e-6), height_px / max(height_pt, 1e-6))


def _size_pt(picture):
    a, b, c, d, _, _ = picture.get_matrix().get()
    return np.hypot(a, b), np.hypot(c, d)


def _scan(page):
    """The pixels of a page that is one scan and nothing else, or None."""
    things = list(page.get_objects(max_depth=1))
    kinds = [thing.type for thing in things]
    if kinds.count(pdfium_c.FPDF_PAGEOBJ_IMAGE) != 1 or set(kinds) - {
        pdfium_c.FPDF_PAGEOBJ_IMAGE,
        pdfium_c.FPDF_PAGEOBJ_TEXT,  # found by a program, most often unseen
    }:
        return None
    picture = things[kinds.index(pdfium_c.FPDF_PAGEOBJ_IMAGE)]
    a, b, c, d, _, _ = matrix = picture.get_matrix().get()
    page_width_pt, page_height_pt = page.get_size()
    share = abs(a * d - b * c) / (page_width_pt * page_height_pt)
    longest = max(abs(a), abs(b), abs(c), abs(d))
    aslant = min(abs(a), abs(b)) > 1e-3 * longest
    if share < MIN_SCAN_SHARE or aslant:
        return None
    bitmap = picture.get_bitmap(render=False)
    pixels = np.asarray(bitmap.to_pil().convert("RGB"))
    pixels = _upright(pixels, matrix, page.get_rotation())
    return pixels if _looks_like(pixels, picture, page) else None


def _upright(pixels, matrix, rotation_deg):
    """A picture's pixels as they lie on the page that is seen.

    Args:
        pixels: (H, W, 3).
        matrix: (a, b, c, d, e, f), which puts the picture, as a square of side
            1 with y up, on the page.
        rotation_deg: of the page, clockwise.
    """
    a, b, c, d, _, _ = matrix
    # Where its columns and its rows point, x to the right and y down.
    right, down = np.array([a, -b]), np.array([-c, d])
    for _ in range(round(rotation_deg / 90) % 4):
        right, down = (np.array([-y, x]) for x, y in (right, down))
    if abs(right[0]) < abs(right[1]):
        pixels = pixels.swapaxes(0, 1)
        right, down = down, right
    pixels = pixels[:: 1 if down[1] > 0 else -1, :: 1 if right[0] > 0 else -1]
    return np.ascontiguousarray(pixels)


def _looks_like(pixels, picture, page):
    """Whether a scan is what the page shows where the scan lies on it."""
    scale = _THUMBNAIL_PX / max(page.get_size())
    whole = _drawn(page, scale)
    if page.get_rotation() % 180 == 0:
        left, bottom, right, top = picture.get_bounds()
        height_pt = page.get_size()[1]
        x0, x1 = (round(x * scale) for x in (left, right))
        y0, y1 = (round((height_pt - y) * scale) for y in (top, bottom))
        whole = whole[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)]
    if not whole.size:
        return False
    size = whole.shape[1], whole.shape[0]
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    # Thin lines fall otherwise between pixels: only the large is compared.
    seen, own = (
        cv2.GaussianBlur(x.astype(np.float32).mean(axis=2), (0, 0), 2).ravel()
        for x in (whole, small)
    )
    if seen.std() < 1 and own.std() < 1:
        return True  # an empty sheet
    with np.errstate(invalid="ignore"):
        return np.corrcoef(seen, own)[0, 1] > _MIN_CORRELATION

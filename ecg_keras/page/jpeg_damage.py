"""Whether JPEG data is damaged, by what libjpeg warns of.

JPEG has no checksum, and decoders fill what they cannot read with grey, without
a word. simplejpeg, a small wrapper of libjpeg-turbo, tells libjpeg's warnings:
data that ends early or goes on too long, and codes that there are not. Damage
after which as many blocks follow as before, if brighter or darker, is not seen.
"""

import io

from PIL import Image

_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"
# How libjpeg's warnings of damage begin; others are of what is merely odd.
_WARNINGS = ("Corrupt JPEG data", "Premature end of JPEG")
_TIFF_COMPRESSION, _TIFF_JPEG = 259, 7
# Where the parts of a TIFF's picture are, and how long: strips, tiles.
_TIFF_PARTS = ((273, 279), (324, 325))
_TIFF_TABLES = 347


def warning_of(data):
    """What libjpeg warns of, or None.

    Args:
        data: bytes of a JPEG file that can be decoded.

    Returns:
        str; None also where simplejpeg is not installed, as in notebooks that
        take the package without what it needs.
    """
    try:
        import simplejpeg
    except ImportError:
        return None
    try:
        # An eighth of each side reads all of the data and keeps little of it.
        simplejpeg.decode_jpeg(data, "GRAY", min_factor=8)
    except ValueError as error:
        said = str(error)
        # Kinds of JPEG that it does not know are errors, too.
        return said if said.startswith(_WARNINGS) else None
    return None


def damage(data, index=0):
    """Why a picture's pixels may be wrong.

    Args:
        data: bytes of a picture's file that Pillow could decode.
        index: which of its pages, from 0.

    Returns:
        tuple of str; empty for files that are no JPEG, or hold none.
    """
    parts = [data] if data.startswith(_SOI) else _tiff_parts(data, index)
    for part in parts:
        said = warning_of(part)
        if said:
            return (reason(said),)
    return ()


def reason(said):
    """Why a page is doubtful of which libjpeg or zlib says so much."""
    return f"its file is damaged: {said}"


def _tiff_parts(data, index):
    """JPEG files of the strips or tiles of a TIFF; none of any other file."""
    if data[:4] not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return
    with Image.open(io.BytesIO(data)) as image:
        image.seek(index)
        tags = dict(image.tag_v2)
    if tags.get(_TIFF_COMPRESSION) != _TIFF_JPEG:
        return
    tables = tags.get(_TIFF_TABLES, _SOI + _EOI)
    for starts, lengths in _TIFF_PARTS:
        places = tags.get(starts, ()), tags.get(lengths, ())
        for start, length in zip(*places, strict=False):
            part = data[start : start + length]
            yield tables.removesuffix(_EOI) + part.removeprefix(_SOI)

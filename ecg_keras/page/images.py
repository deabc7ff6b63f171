"""Image files of any kind to (H, W, 3) uint8 RGB; their sizes and channels.

Pillow decodes, and says when a file is cut off or damaged. Plain PNG files, as
the competition's are, it only checks: OpenCV decodes them in half of the time.
"""

import contextlib
import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from ecg_keras.errors import InputError
from ecg_keras.files import DAMAGED

# No trace can be followed on a smaller page; such a file is a mistake.
MIN_SIDE_PX = 16

# How the files of phones begin (ISO/IEC 23008-12, "brands").
_HEIC_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1"}

# All that Pillow raises for a file that it cannot decode.
NOT_DECODED = (
    *DAMAGED,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


def read_image(path):
    """Read an image file as it is meant to be seen.

    EXIF orientation is applied; transparent parts are laid over white; grey,
    palette, CMYK and 16-bit images are converted to 8-bit RGB.

    Args:
        path: PNG, JPEG, TIFF, WebP, BMP or any other file that Pillow reads.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        InputError: the file is missing, empty, cut off, damaged, no image,
            smaller than 16 px, or larger than Pillow's limit on the number of
            pixels (`PIL.Image.MAX_IMAGE_PIXELS`, by default an error from
            179 million).
    """
    with opened(path) as image:
        if _is_plain_png(image):
            file = image.fp
            image.verify()
            return _decoded_png(file)
        image.load()
        return to_rgb(image, path)


@contextlib.contextmanager
def opened(path):
    """A picture's file, opened by Pillow; what fails within is told in words.

    Yields:
        PIL.Image.Image that is not decoded yet.

    Raises:
        InputError: see `read_image`.
    """
    try:
        data = Path(path).read_bytes()
        _register_heic(data, path)
        with Image.open(io.BytesIO(data)) as image:
            _check_size(image, path)
            yield image
    except FileNotFoundError:
        raise InputError(f"{path} does not exist", "check its name") from None
    except InputError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as e:
        raise InputError(
            f"{path} has too many pixels to be read safely, make it smaller "
            f"(a page needs about 2200 x 1700 px): {e}"
        ) from None
    except Image.UnidentifiedImageError:
        raise InputError(f"{path} is no image that can be read") from None
    except DAMAGED as error:
        raise InputError(f"{path} is damaged or cut off: {error}") from None


def read_resized(path, height, width):
    """`read_image`, then `resize`: (height, width, 3) uint8 RGB."""
    return resize(read_image(path), height, width)


def resize(image, height, width):
    """Resize by area averaging: each new pixel is the mean of what it covers.

    An axis that grows is interpolated linearly instead. Exported models do the
    same (`writers.resize`).

    Args:
        image: (H, W, 3) uint8 or float32.
        height, width: the new size in px; the aspect ratio is not kept.

    Returns:
        (height, width, 3) of the same dtype.
    """
    shrunk = (min(width, image.shape[1]), min(height, image.shape[0]))
    image = cv2.resize(image, shrunk, interpolation=cv2.INTER_AREA)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)


def _check_size(image, path):
    if min(image.size) < MIN_SIDE_PX:
        raise InputError(
            f"{path} is {image.width} x {image.height} px; a page has at "
            f"least {MIN_SIDE_PX} px on each side"
        )


def _register_heic(data, path):
    """Let Pillow open pictures of phones, if this is one.

    Raises:
        InputError: pillow-heif is not installed.
    """
    if data[4:8] != b"ftyp" or data[8:12] not in _HEIC_BRANDS:
        return
    try:
        import pillow_heif
    except ImportError:
        raise InputError(
            f"{path} is a HEIC picture, which needs another package: pip "
            "install 'ecg_keras[heic]', or save it as JPEG or PNG"
        ) from None
    pillow_heif.register_heif_opener()


def _is_plain_png(image):
    """Whether a Pillow image, not loaded yet, is an opaque RGB PNG file."""
    plain = (image.format, image.mode) == ("PNG", "RGB")
    return plain and not image.has_transparency_data


def _decoded_png(file):
    """(H, W, 3) uint8 of a plain PNG file (io.BytesIO) by OpenCV."""
    data = np.frombuffer(file.getbuffer(), np.uint8)
    # This applies EXIF orientation, too.
    pixels = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
    if pixels is None:
        raise OSError("its pixels cannot be decoded")
    return pixels


def to_rgb(image, path):
    """A loaded Pillow image as (H, W, 3) uint8; see `read_image`."""
    image = ImageOps.exif_transpose(image)
    if image.mode == "F":
        raise InputError(f"{path} holds floating-point pixels; expected 8 bit")
    if image.mode.startswith("I"):  # 16-bit grey, 0 to 65535
        grey = np.clip(np.asarray(image) // 257, 0, 255).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        page = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(page, image)
    return np.array(image.convert("RGB"))


def darkest_channel(image):
    """(H, W) uint8: per pixel the least of red, green and blue."""
    return np.minimum(np.minimum(image[..., 0], image[..., 1]), image[..., 2])

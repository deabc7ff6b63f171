"""Image files of every kind, and resizing by area."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from ecg_keras.errors import InputError
from ecg_keras.page.images import read_image, read_resized, resize

RED, BLUE = (255, 0, 0), (0, 0, 255)


@pytest.fixture
def page():
    """A red and a blue half, 60 x 40 px: every conversion keeps them apart."""
    page = np.zeros((40, 60, 3), np.uint8)
    page[:, :30], page[:, 30:] = RED, BLUE
    return page


def _save(array_or_image, path, **options):
    if isinstance(array_or_image, np.ndarray):
        array_or_image = Image.fromarray(array_or_image)
    array_or_image.save(path, **options)
    return path


def test_a_png_comes_back_as_rgb(page, tmp_path):
    image = read_image(_save(page, tmp_path / "a.png"))
    assert image.dtype == np.uint8 and image.flags.writeable
    np.testing.assert_array_equal(image, page)


def test_a_plain_png_is_as_pillow_sees_it(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (70, 50, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 8  # turned by a quarter
    path = _save(noise, tmp_path / "a.png", exif=exif)
    with Image.open(path) as image:
        upright = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(read_image(path), upright)


def test_a_png_that_lacks_rows_is_an_error(tmp_path):
    """Its checksums are right: Pillow would fill the rest with black."""
    path = tmp_path / "a.png"
    rows = 20 * (b"\0" + bytes(3 * 40))  # of 40
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", 40, 40, 8, 2, 0, 0, 0),
        b"IDAT": zlib.compress(rows),
        b"IEND": b"",
    }
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data))
            + name
            + data
            + struct.pack(">I", zlib.crc32(name + data))
            for name, data in chunks.items()
        )
    )
    with pytest.raises(InputError, match="a.png is damaged"):
        read_image(path)


def test_a_grey_image_becomes_three_equal_channels(tmp_path):
    grey = np.arange(32 * 32, dtype=np.uint32).reshape(32, 32).astype(np.uint8)
    image = read_image(_save(grey, tmp_path / "a.png"))
    np.testing.assert_array_equal(image, np.dstack([grey] * 3))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bit_grey_is_scaled_to_eight(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    grey = np.linspace(0, 65535, 32 * 32).reshape(32, 32).astype(np.uint16)
    assert cv2.imwrite(str(path), grey)
    image = read_image(path)
    np.testing.assert_allclose(image[..., 0], grey / 257.0, atol=1)


def test_sixteen_bit_colour_is_scaled_to_eight(page, tmp_path):
    path = tmp_path / "a.png"
    assert cv2.imwrite(str(path), page[..., ::-1].astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_image(path), page)


def test_transparent_pixels_become_white(page, tmp_path):
    alpha = np.full((40, 60), 255, np.uint8)
    alpha[:20] = 0
    image = read_image(_save(np.dstack([page, alpha]), tmp_path / "a.png"))
    assert (image[:20] == 255).all()
    np.testing.assert_array_equal(image[20:], page[20:])


def test_a_palette_with_a_transparent_colour_is_laid_over_white(tmp_path):
    image = Image.new("P", (20, 20), 1)
    image.putpalette([0, 0, 0, 255, 0, 0])
    path = _save(image, tmp_path / "a.png", transparency=1)
    assert (read_image(path) == 255).all()


def test_a_palette_keeps_its_colours(page, tmp_path):
    image = Image.fromarray(page).quantize(4)
    np.testing.assert_array_equal(
        read_image(_save(image, tmp_path / "a.png")), page
    )


def test_a_black_and_white_image_is_read(tmp_path):
    path = _save(Image.new("1", (20, 20), 1), tmp_path / "a.tif")
    assert (read_image(path) == 255).all()


def test_cmyk_keeps_its_colours(page, tmp_path):
    image = Image.fromarray(page).convert("CMYK")
    read = read_image(_save(image, tmp_path / "a.jpg", quality=100))
    np.testing.assert_allclose(read[20, 5], RED, atol=8)
    np.testing.assert_allclose(read[20, 55], BLUE, atol=8)


def test_exif_orientation_is_applied(page, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera says: turn by 90 degrees clockwise
    path = _save(page, tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(path), np.rot90(page, -1))


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.97])
def test_a_truncated_file_is_an_error_that_names_it(tmp_path, suffix, share):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    path = _save(noise, tmp_path / f"cut.{suffix}")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError, match="cut"):
        read_image(path)


def test_a_flipped_byte_in_a_png_is_an_error(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    path = _save(noise, tmp_path / "a.png")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(InputError, match="a.png is damaged"):
        read_image(path)


@pytest.mark.parametrize("content", [b"", b"time,I,II\n0,0,0\n"])
def test_a_text_file_named_png_is_an_error(tmp_path, content):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(InputError, match="a.png is no image"):
        read_image(path)


def test_a_missing_file_and_a_folder_are_errors(tmp_path):
    with pytest.raises(InputError, match="gone.png does not exist"):
        read_image(tmp_path / "gone.png")
    with pytest.raises(InputError, match=tmp_path.name):
        read_image(tmp_path)


def test_an_image_of_3_by_3_px_is_an_error(tmp_path):
    path = _save(np.zeros((3, 3, 3), np.uint8), tmp_path / "a.png")
    with pytest.raises(InputError, match="a.png is 3 x 3 px"):
        read_image(path)


def test_an_image_of_20000_by_20000_px_is_refused_undecoded(tmp_path):
    path = _save(Image.new("1", (20_000, 20_000)), tmp_path / "a.png")
    with pytest.raises(InputError, match="a.png has too many pixels"):
        read_image(path)


def _weights(old, new):
    """Share of each old pixel in each new one: by area, or linear to grow."""
    if new > old:
        centres = (np.arange(new)[:, None] + 0.5) * old / new - 0.5
        centres = np.clip(centres, 0, old - 1)
        return np.maximum(1 - np.abs(centres - np.arange(old)), 0)
    left = np.arange(new)[:, None] * old / new
    overlap = np.minimum(left + old / new, np.arange(old) + 1) - np.maximum(
        left, np.arange(old)
    )
    return np.maximum(overlap, 0) * new / old


@pytest.mark.parametrize(
    "size", [(8, 10), (7, 9), (24, 30), (40, 50), (15, 53), (53, 15)]
)
def test_resize_averages_areas_and_interpolates_to_grow(size):
    image = np.random.default_rng(0).random((24, 30, 3)).astype(np.float32)
    rows, columns = _weights(24, size[0]), _weights(30, size[1])
    expected = np.einsum("yh,hwc,xw->yxc", rows, image, columns)
    np.testing.assert_allclose(resize(image, *size), expected, atol=1e-5)


def test_read_resized_reads_and_resizes(page, tmp_path):
    image = read_resized(_save(page, tmp_path / "a.png"), 4, 2)
    np.testing.assert_array_equal(image, [[RED, BLUE]] * 4)

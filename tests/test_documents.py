"""Files of people: folders, lists, TIFFs of several pages, PDFs, HEIC."""

import numpy as np
import pypdfium2
import pytest
from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen import canvas

from ecg_keras.documents.pages import find_pages
from ecg_keras.documents.sources import find_files
from ecg_keras.errors import InputError, UsageError
from tests.ecg_pdfs import write_pdf

# A page of 297 x 210 mm, in points.
A4 = (842, 595)


def _pixels(seed=0, height=210, width=297):
    """A page with a dark bar at the top, which tells how it lies."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(150, 256, (height, width, 3), np.uint8)
    pixels[10:40, 10:120] = (200, 30, 30)
    return pixels


def _pdf(path, *pages, size=A4):
    """Write a PDF; each page is a function that draws on a canvas."""
    document = canvas.Canvas(str(path), pagesize=size)
    for draw in pages:
        draw(document)
        document.showPage()
    document.save()
    return path


def _scan(pixels):
    image = ImageReader(Image.fromarray(pixels))
    return lambda page: page.drawImage(image, 0, 0, *A4)


def _only(path):
    (page,) = find_pages([path])
    return page


def test_folders_patterns_and_lists_name_files(tmp_path):
    for name in ("a.png", "b.JPG", "deep/c.pdf", "notes.txt", ".hidden.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").touch()
    files, ignored = find_files([str(tmp_path)], tmp_path / "out")
    names = [str(path.relative_to(tmp_path)) for path in files]
    assert names == ["a.png", "b.JPG", "deep/c.pdf"]
    assert ignored == [tmp_path / "notes.txt"]
    files, _ = find_files([str(tmp_path / "*.png"), str(tmp_path / "gone.tif")])
    assert files == [tmp_path / "a.png", tmp_path / "gone.tif"]
    (tmp_path / "list.txt").write_text(
        f"{tmp_path}/b.JPG\n\n  {tmp_path}/deep\n"
    )
    files, _ = find_files([f"@{tmp_path}/list.txt", str(tmp_path / "b.JPG")])
    assert files == [tmp_path / "b.JPG", tmp_path / "deep" / "c.pdf"]


@pytest.mark.parametrize(
    "names, message",
    [
        ([], "no page was given"),
        (["@none.txt"], "@none.txt: expected a text file"),
        (["*.nothing"], "no picture and no PDF"),
        (["."], "no picture and no PDF"),
    ],
)
def test_names_that_name_nothing_are_refused(
    names, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        find_files(names)


def test_every_page_of_a_tiff_is_a_page(tmp_path):
    path = tmp_path / "three.tif"
    images = [Image.fromarray(_pixels(seed)) for seed in range(3)]
    images[0].save(path, save_all=True, append_images=images[1:])
    pages = find_pages([path])
    assert [page.stem for page in pages] == ["three", "three_p2", "three_p3"]
    assert pages[1].label == f"{path}, page 2 of 3"
    for seed, page in enumerate(pages):
        np.testing.assert_array_equal(page.read(), _pixels(seed))


def test_files_of_one_stem_get_their_suffix_and_never_anothers_name(tmp_path):
    for name in ("a.png", "a.bmp", "b.png", "a_png.webp"):
        Image.fromarray(_pixels()).save(tmp_path / name)
    pages = find_pages(sorted(tmp_path.iterdir()))
    stems = [page.stem for page in pages]
    assert stems == ["a_bmp", "a_png", "a_png_2", "b"]


def test_a_scan_in_a_pdf_comes_out_at_its_own_pixels(tmp_path):
    path = _pdf(tmp_path / "a.pdf", _scan(_pixels()), _scan(_pixels(1)))
    pages = find_pages([path])
    assert [page.stem for page in pages] == ["a", "a_p2"]
    for seed, page in enumerate(pages):
        np.testing.assert_array_equal(page.read(), _pixels(seed))


@pytest.mark.parametrize("rotation_deg", [90, 180, 270])
def test_a_scan_on_a_turned_page_is_turned(tmp_path, rotation_deg):
    path = _pdf(tmp_path / "a.pdf", _scan(_pixels()))
    document = pypdfium2.PdfDocument(path)
    document[0].set_rotation(rotation_deg)
    document.save(tmp_path / "turned.pdf")
    expected = np.rot90(_pixels(), -rotation_deg // 90)
    found = _only(tmp_path / "turned.pdf").read()
    np.testing.assert_array_equal(found, expected)


def test_a_scan_that_is_put_on_the_page_turned_is_turned(tmp_path):
    def draw(page):
        page.translate(A4[1], 0)
        page.rotate(90)
        _scan(_pixels())(page)

    path = _pdf(tmp_path / "a.pdf", draw, size=A4[::-1])
    np.testing.assert_array_equal(_only(path).read(), np.rot90(_pixels()))


def test_a_page_with_a_scan_and_lines_is_drawn_with_both(tmp_path):
    def draw(page):
        _scan(np.full((210, 297, 3), 255, np.uint8))(page)
        page.rect(100, 100, 300, 200, fill=1)

    found = _only(_pdf(tmp_path / "a.pdf", draw)).read()
    assert found.shape[1] >= 2200
    middle = found[found.shape[0] * 2 // 3, found.shape[1] * 3 // 10]
    assert (middle == 0).all() and (found[5, 5] == 255).all()


def test_a_picture_on_a_page_keeps_its_resolution(tmp_path):
    fine = Image.fromarray(_pixels(height=1000, width=2000))

    def draw(page):
        page.drawImage(ImageReader(fine), 100, 100, 421, 210.5)

    found = _only(_pdf(tmp_path / "a.pdf", draw)).read()
    assert found.shape[1] == pytest.approx(4000, abs=2)


@pytest.mark.parametrize("scale", [0.5, 1, 2])
def test_a_page_with_a_grid_is_drawn_at_8_px_a_mm_of_it(tmp_path, scale):
    signals_mv = np.zeros((12, 5000))
    write_pdf(tmp_path / "a.pdf", signals_mv, scale=scale, text="no scale")
    found = _only(tmp_path / "a.pdf").read()
    assert found.shape[1] == pytest.approx(297 * 8, abs=3)


def test_a_pdf_is_known_by_its_bytes_and_a_bad_one_is_told(tmp_path):
    path = _pdf(tmp_path / "a.pdf", _scan(_pixels())).rename(tmp_path / "a.png")
    np.testing.assert_array_equal(_only(path).read(), _pixels())
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(InputError, match="a.png is a damaged PDF"):
        raise _only(path).problem
    locked = canvas.Canvas(str(tmp_path / "b.pdf"), encrypt="secret")
    locked.showPage()
    locked.save()
    with pytest.raises(InputError, match="b.pdf needs a password"):
        raise _only(tmp_path / "b.pdf").problem


def test_a_picture_of_a_phone_is_read(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    pixels = np.full((64, 96, 3), (200, 30, 30), np.uint8)
    heif = pillow_heif.from_pillow(Image.fromarray(pixels))
    heif.save(tmp_path / "a.heic", quality=95)
    found = _only(tmp_path / "a.heic").read()
    assert found.shape == pixels.shape
    np.testing.assert_allclose(found[5:-5, 5:-5], pixels[5:-5, 5:-5], atol=8)


def test_without_its_package_a_heic_picture_names_it(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    with pytest.raises(InputError, match=r"pip install 'ecg_keras\[heic\]'"):
        _only(tmp_path / "a.heic").read()

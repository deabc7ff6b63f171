"""Pages whose JPEG is damaged in its middle: decoded, and doubtful."""

import io
import json
import types

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from reportlab.pdfgen import canvas

from ecg_keras.archive.opening import Unit, open_unit
from ecg_keras.commands import digitize as digitizing
from ecg_keras.commands.evaluate_pages import score_pages
from ecg_keras.documents.pages import find_pages
from ecg_keras.ecg.digitized import DigitizedEcg
from ecg_keras.ecg.leads import LEADS
from ecg_keras.page.jpeg_damage import damage
from ecg_keras.predictor import PagePredictor, Predictor
from tests.models import build_tiny

pytest.importorskip("simplejpeg", reason="simplejpeg is not installed")

DAMAGED = "its file is damaged: Corrupt JPEG data"


class Reader:
    """Calls every picture good."""

    def read(self, image):
        signals = np.zeros((12, 5000), np.float32)
        if isinstance(image, list):
            return DigitizedEcg(signals, read_by="double")
        answer = DigitizedEcg(signals, signals, read_by="double")
        return types.SimpleNamespace(digitized=answer)


def picture(seed=0, side_px=200):
    shape = (side_px, side_px, 3)
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, shape, np.uint8))


def jpeg(**options):
    file = io.BytesIO()
    picture().save(file, "JPEG", **options)
    return file.getvalue()


def damaged(data):
    """JPEG data that lacks 1000 bytes of its middle."""
    middle = len(data) // 2
    return data[:middle] + data[middle + 1000 :]


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "page.jpg"
    path.write_bytes(damaged(jpeg()))
    return path


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"restart_marker_rows": 1}]
)
def test_damage_is_told_and_its_absence_too(options):
    data = jpeg(**options)
    assert damage(data) == ()
    (said,) = damage(damaged(data))
    assert said.startswith(DAMAGED)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_cmyk_are_judged(mode):
    file = io.BytesIO()
    picture().convert(mode).save(file, "JPEG")
    assert damage(file.getvalue()) == ()
    assert damage(damaged(file.getvalue()))


def test_what_phones_append_to_a_picture_is_no_damage():
    assert damage(jpeg() + b"motion photo" * 100) == ()


def test_files_that_are_no_jpeg_are_not_judged():
    file = io.BytesIO()
    picture().save(file, "PNG")
    assert damage(file.getvalue()) == () and damage(b"") == ()


def test_each_page_of_a_tiff_is_judged_by_its_own_jpegs(tmp_path):
    path = tmp_path / "a.tif"
    picture(0).save(
        path, compression="jpeg", save_all=True, append_images=[picture(1)]
    )
    assert [page.damage() for page in find_pages([path])] == [(), ()]
    with Image.open(path) as image:
        image.seek(1)
        start, length = image.tag_v2[273][0], image.tag_v2[279][0]
    data = bytearray(path.read_bytes())
    middle = start + length // 2
    data[middle : middle + 1000] = bytes(1000)
    path.write_bytes(data)
    first, second = find_pages([path])
    assert first.damage() == () and second.read().shape == (200, 200, 3)
    assert second.damage()[0].startswith(DAMAGED)


@pytest.mark.parametrize("filter_name", ["/DCTDecode", "/FlateDecode"])
def test_a_scan_in_a_pdf_is_judged(tmp_path, monkeypatch, filter_name):
    monkeypatch.setattr("reportlab.rl_config.useA85", 0)
    picture().save(tmp_path / "a.png")
    (tmp_path / "a.jpg").write_bytes(jpeg())
    name = "a.jpg" if filter_name == "/DCTDecode" else "a.png"
    path = tmp_path / "a.pdf"
    sheet = canvas.Canvas(str(path), pageCompression=1)
    sheet.drawImage(str(tmp_path / name), 0, 0, *sheet._pagesize)
    sheet.save()
    (page,) = find_pages([path])
    assert page.damage() == ()
    data = bytearray(path.read_bytes())
    begins = data.index(b"stream", data.index(filter_name.encode()))
    middle = (begins + data.index(b"endstream", begins)) // 2
    data[middle : middle + 1000] = bytes(1000)
    path.write_bytes(data)
    (page,) = find_pages([path])
    assert page.read().shape[2] == 3
    assert page.damage()[0].startswith("its file is damaged")


def test_digitize_calls_it_doubtful(page, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "ecg_keras.digitizer.load_digitizer", lambda *_: Reader()
    )
    config = digitizing.DigitizeConfig(
        images=(str(page),), output_dir=str(tmp_path / "out"), picture=False
    )
    (result,) = digitizing.digitize(config)
    assert result.quality == "doubtful"
    summary = json.loads((tmp_path / "out" / "page.json").read_text())
    assert summary["quality"] == "doubtful"
    assert summary["reasons"][0].startswith(DAMAGED)
    assert digitizing.run(config) == 3


def test_the_reader_calls_files_doubtful_and_arrays_good(page):
    reading = PagePredictor(Reader()).read([page, np.array(picture())])
    assert reading.quality == ("doubtful", "good")
    assert reading.reasons[0][0].startswith(DAMAGED)


def test_any_model_calls_files_doubtful(page, tmp_path):
    picture().save(tmp_path / "whole.jpg")
    reading = Predictor([build_tiny()]).read([page, tmp_path / "whole.jpg"])
    assert reading.quality == ("doubtful", "good")
    assert reading.reasons[0][0].startswith(DAMAGED) and not reading.reasons[1]


def test_evaluate_counts_it_as_doubtful(page):
    table = pd.DataFrame(np.zeros((5000, 12)), columns=LEADS)
    table.to_csv(page.with_suffix(".csv"), index=False)
    (score,) = score_pages(page.parent, Reader(), 1e6)
    assert score.quality == "doubtful" and score.reasons


def test_an_archive_calls_it_doubtful(page):
    reading = pytest.importorskip("ecg_keras.archive.reading")
    from benchmarks.reader_double import ReaderDouble

    handler = reading.PageModelHandler(load=ReaderDouble)
    opened = list(open_unit(Unit("unit", (str(page),))))
    (read,) = handler.run_inference(opened, handler.load_model())
    assert read.digitized.quality == "doubtful"
    assert read.digitized.reasons[0].startswith(DAMAGED)


def test_the_app_calls_it_doubtful(page):
    from ecg_keras.app.session import Session
    from ecg_keras.page_reader import PageReading

    class AppReader:
        given = None

        def read(self, image):
            return PageReading(Reader().read(image).digitized)

    with Session(AppReader) as session:
        (shown,) = session.open(page)
        shown = session.read(shown.number)
    assert shown.quality == "doubtful"
    assert shown.digitized.reasons[0].startswith(DAMAGED)

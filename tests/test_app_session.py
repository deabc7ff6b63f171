"""The app without its page: reading, correcting, giving out."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from ecg_keras.app import command
from ecg_keras.app.command import choices
from ecg_keras.app.corrections import Corrections, flattened
from ecg_keras.app.session import Session, view
from ecg_keras.ecg.leads import LEADS
from ecg_keras.ecg.svg_chart import svg_chart
from ecg_keras.ecg.synthesis import simulate
from ecg_keras.errors import InputError
from ecg_keras.models.layout.given import Given
from tests.app_pages import dark_page_reader, drawn_page, save, save_dark
from tests.ecg_pdfs import write_pdf


@pytest.fixture
def session():
    with Session(dark_page_reader) as session:
        yield session


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    image, _, _ = drawn_page()
    return save(tmp_path_factory.mktemp("page") / "page 1.png", image)


def opened_and_read(session, path, **said):
    (shown,) = session.open(path)
    return session.read(shown.number, Corrections(**said))


def ink_share(shown, image):
    """Share of the traces' points that lie on dark pixels."""
    points = np.concatenate([trace.shares for trace in shown.traces])
    x, y = np.floor(points * image.shape[1::-1]).astype(int).T
    darkest = cv2.erode(image.max(axis=2), np.ones((5, 5)))
    return (darkest[y, x] < 120).mean()


def test_a_page_is_read_and_its_traces_lie_on_the_ink(session, page_file):
    shown = opened_and_read(session, page_file)
    assert shown.quality == "good", shown.digitized.reasons
    image, _, _ = drawn_page()
    assert {trace.lead for trace in shown.traces} == set(LEADS)
    assert ink_share(shown, image) > 0.95
    told = view(shown)
    assert told["name"] == "page 1.png"
    assert {"layout 3x4+1", "25 mm/s", "10 mm/mV"} <= set(told["facts"])
    assert told["overlay"].count("<polyline") == 13
    assert json.loads(json.dumps(told)) == json.loads(json.dumps(told))


def _table(data):
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    return {
        name: np.array([float(row[name] or "nan") for row in rows])
        for name in rows[0]
    }


@pytest.mark.filterwarnings("ignore:The inplace keyword")
def test_a_stretch_that_is_taken_back_is_in_no_file(session, page_file):
    wfdb = pytest.importorskip("wfdb")
    shown = opened_and_read(session, page_file)
    before = _table(session.download(shown.number, "csv")[1])
    session.take_back(shown.number, "V1", 5.5, 6.25)
    after = _table(session.download(shown.number, "csv")[1])
    taken = (before["time_s"] >= 5.5) & (before["time_s"] < 6.25)
    assert np.isfinite(before["V1"][taken]).all()
    assert np.isnan(after["V1"][taken]).all()
    np.testing.assert_array_equal(before["V1"][~taken], after["V1"][~taken])
    np.testing.assert_array_equal(before["II"], after["II"])
    # WFDB, which is unpacked and read by its own package.
    name, data = session.download(shown.number, "wfdb")
    assert name == "page 1_wfdb.zip"
    folder = page_file.parent / "record"
    zipfile.ZipFile(io.BytesIO(data)).extractall(folder)
    record = wfdb.rdrecord(str(folder / "page_1"))
    np.testing.assert_array_equal(
        np.isnan(record.p_signal[:, 6]), np.isnan(after["V1"])
    )
    name, data = session.download(shown.number, "json")
    told = json.loads(data)
    assert told["taken_back"] == [
        {"lead": "V1", "start_s": 5.5, "stop_s": 6.25}
    ]
    assert told["file"]["path"] == "page 1.png"
    assert "/" not in told["file"]["path"]
    # In the overlay, V1 has a part in grey between two others.
    assert view(shown)["overlay"].count("<polyline") == 15
    session.restore(shown.number)
    again = _table(session.download(shown.number, "csv")[1])
    np.testing.assert_array_equal(before["V1"], again["V1"])


@pytest.mark.parametrize(
    ("stretch", "words"),
    [
        (("V1", 0.0, 1.0), "V1 shows nothing from 0 to 1 s"),
        (("V1", 6.0, 5.5), "V1 shows nothing from 6 to 5.5 s"),
        (("V9", 0.0, 1.0), "expected a lead"),
        (("V1", "a", 1.0), "expected two times"),
    ],
)
def test_what_is_no_stretch_of_a_lead_is_refused(
    session, page_file, stretch, words
):
    shown = opened_and_read(session, page_file)
    with pytest.raises(InputError, match=words):
        session.take_back(shown.number, *stretch)
    assert shown.taken_back == []


def test_a_bad_file_is_told_by_its_name_and_others_go_on(
    session, page_file, capsys
):
    for name, data, words in (
        ("torn.png", page_file.read_bytes()[:3000], "torn.png is damaged"),
        ("words.jpg", b"no picture", "words.jpg is no image"),
        ("empty.pdf", b"%PDF-1.4\n", "empty.pdf is a damaged PDF"),
    ):
        path = session.new_file(name)
        path.write_bytes(data)
        shown = opened_and_read(session, path)
        assert shown.quality == "failed"
        told = view(shown)
        assert words in told["reasons"][0] and told["advice"]
        # Its name, not where it lies for the while.
        assert str(path.parent) not in told["reasons"][0]
        with pytest.raises(InputError, match="was not read"):
            session.download(shown.number, "csv")
    assert opened_and_read(session, page_file).quality == "good"


def test_a_defect_is_told_and_others_go_on(page_file, capsys):
    readers = [None, dark_page_reader()]
    with Session(lambda: readers.pop(0) or 1 / 0) as session:
        shown = opened_and_read(session, page_file)
        assert shown.quality == "failed"
        assert "unexpected ZeroDivisionError" in shown.failure
        assert "ZeroDivisionError" in capsys.readouterr().err
        assert session.read(shown.number).quality == "good"


@pytest.mark.slow
@pytest.mark.floor
def test_paths_of_a_pdf_are_read_exactly_and_pixels_where_it_is_said(
    session, tmp_path
):
    mv = simulate(np.random.default_rng(7)).astype(float)
    shown_mv = write_pdf(tmp_path / "a.pdf", mv)
    shown = opened_and_read(session, tmp_path / "a.pdf")
    assert shown.digitized.source == "vector"
    found = shown.digitized.signals_mv[1, :5000]
    assert np.nanmax(np.abs(found - shown_mv[1, : len(found)])) < 0.01
    assert ink_share(shown, shown.page.read()) > 0.95
    shown = session.read(shown.number, Corrections(gain_mm_per_mv=20.0))
    assert shown.digitized.source == "image"


def test_what_is_said_of_a_page_is_how_it_is_read(session, page_file):
    shown = opened_and_read(session, page_file, gain_mm_per_mv=5.0)
    assert shown.digitized.gain_mm_per_mv == 5.0
    assert view(shown)["said"] == {"gain_mm_per_mv": 5.0}
    told = json.loads(session.download(shown.number, "json")[1])
    assert told["corrections"] == {"gain_mm_per_mv": 5.0}
    # What does not go leaves the page as it was.
    with pytest.raises(InputError, match="--layout: expected one of"):
        session.read(shown.number, Corrections(layout="5x5"))
    assert shown.digitized.gain_mm_per_mv == 5.0
    assert session.read(shown.number).digitized.gain_mm_per_mv == 10.0


def test_px_for_each_mm_are_given_to_the_registration(page_file):
    reader, asked = dark_page_reader(), []
    register = reader.register

    def noted(image, px_per_mm=None):
        asked.append(px_per_mm)
        return register(image)

    reader.register = noted
    with Session(lambda: reader) as session:
        shown = opened_and_read(session, page_file, px_per_mm=8.0)
        session.read(shown.number)
    assert asked == [8.0, None]


def test_a_photo_is_read_by_its_corners(tmp_path):
    image, _, mv = drawn_page()
    height, width = image.shape[:2]
    sheet = np.float32([(0, 0), (width, 0), (width, height), (0, height)])
    seen = np.float32([(240, 130), (2150, 60), (2290, 1480), (90, 1390)])
    matrix = cv2.getPerspectiveTransform(sheet, seen)
    photo = cv2.warpPerspective(
        image, matrix, (2400, 1600), borderValue=(252, 252, 252)
    )
    path = save(tmp_path / "photo.png", photo)
    # Without the margin the flat picture would be the sheet at another size.
    margin = 0.03

    def register(flat, px_per_mm):
        assert px_per_mm == pytest.approx(flat.shape[1] / 275 / 1.06, rel=1e-3)
        reader = dark_page_reader()
        factor = px_per_mm / 8
        found = reader.register(flat[:, : round(275 * px_per_mm)])
        shift = margin * 275 * px_per_mm, margin * 180 * px_per_mm
        known = drawn_page()[1].scaled(factor, factor).shifted(*shift)
        return type(found)(known, "good", (), {})

    reader = dark_page_reader()
    reader.register = register
    with Session(lambda: reader) as session:
        shown = opened_and_read(
            session,
            path,
            # In any order.
            corners_px=tuple(map(tuple, seen[[2, 0, 3, 1]].tolist())),
            sides_mm=(275.0, 180.0),
        )
        assert shown.quality == "good", shown.digitized.reasons
        assert ink_share(shown, photo) > 0.9


def test_corners_flatten_a_picture():
    image = np.zeros((400, 500, 3), np.uint8)
    corners = ((60, 50), (460, 90), (430, 350), (90, 330))
    cv2.fillPoly(image, [np.int32(corners)], (255, 255, 255))
    flat, matrix, px_per_mm = flattened(image, corners, (200, 100))
    # A twentieth within the rectangle all is white, beyond its margin black.
    assert flat.shape[1] / flat.shape[0] == pytest.approx(2, rel=0.01)
    height, width = flat.shape[:2]
    inside = flat[
        round(0.08 * height) : round(0.92 * height),
        round(0.08 * width) : round(0.92 * width),
    ]
    assert inside.min() == 255 and flat[2, 2].max() == 0
    moved = matrix @ (60, 50, 1)
    np.testing.assert_allclose(
        moved[:2] / moved[2], 0.03 * px_per_mm * np.array([200, 100])
    )


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"layuot": "3x4"}, "expected"),
        ({"px_per_mm": "many"}, "expected numbers"),
        ({"px_per_mm": 0.1}, "1 to 60"),
        ({"corners_px": [[0, 0], [1, 1]]}, "four corners"),
        ({"corners_px": [[0, 0], "ab", [3, 3], [9, 9]]}, "expected numbers"),
        ({"sides_mm": [100, 100]}, "with its corners"),
        ([], "expected"),
    ],
)
def test_what_is_no_correction_is_refused(values, words):
    with pytest.raises(InputError, match=words):
        Corrections.from_dict(values)


def test_corners_on_a_line_are_refused(session, page_file):
    line = ((10, 10), (200, 200), (400, 400), (600, 601))
    with pytest.raises(InputError, match="no rectangle"):
        opened_and_read(session, page_file, corners_px=line)


def test_a_refused_page_is_given_out_only_where_that_is_said(
    session, page_file, tmp_path
):
    shown = opened_and_read(session, save_dark(tmp_path / "dark.png"))
    assert (shown.quality, shown.has_signals) == ("refused", False)
    assert view(shown)["reasons"] == ["no grid was found"]
    assert json.loads(session.download(shown.number, "json")[1])
    with pytest.raises(InputError, match="no signals were read"):
        session.download(shown.number, "csv")
    shown = opened_and_read(session, page_file)
    shown.digitized = type(shown.digitized)(
        shown.digitized.signals_mv, quality="refused", reasons=("mistaken",)
    )
    with pytest.raises(InputError, match="was refused"):
        session.download(shown.number, "csv")
    assert session.download(shown.number, "csv", although_refused=True)
    with pytest.raises(InputError, match="no page is good or doubtful"):
        session.download_all()


@pytest.mark.filterwarnings("ignore:The inplace keyword")
def test_files_of_one_name_are_all_given_out(session, page_file):
    numbers = []
    for _ in range(2):
        path = session.new_file("../../page 1.png")
        path.write_bytes(page_file.read_bytes())
        numbers.append(opened_and_read(session, path).number)
    session.take_back(numbers[1], "I", 0.0, 2.0)
    name, data = session.download_all()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert {"page 1.csv", "page 1_2.csv", "page 1_2.json"} <= set(
            archive.namelist()
        )
        one, two = (
            _table(archive.read(name))["I"]
            for name in ("page 1.csv", "page 1_2.csv")
        )
    assert np.isfinite(one[0]) and np.isnan(two[0])


@pytest.mark.parametrize(
    "name", ["../x.png", "C:\\a\\x.png", "/etc/x.png", "..", "", "é" * 300]
)
def test_what_is_dropped_lies_in_the_folder_that_is_removed(name):
    session = Session(dark_page_reader)
    path = session.new_file(name)
    path.write_bytes(b"x")
    folder = Path(session._folder.name)
    assert folder in path.resolve().parents
    session.close()
    assert not folder.exists()


def test_pages_of_a_file_are_opened_one_by_one(session, tmp_path):
    from PIL import Image

    image, _, _ = drawn_page()
    dark = np.full_like(image, 40)
    pages = [Image.fromarray(image), Image.fromarray(dark)]
    pages[0].save(tmp_path / "two.tif", save_all=True, append_images=pages[1:])
    shown = session.open(tmp_path / "two.tif")
    assert [page.name for page in shown] == [
        "two.tif, page 1 of 2",
        "two.tif, page 2 of 2",
    ]
    assert [session.read(page.number).quality for page in shown] == [
        "good",
        "refused",
    ]
    session.remove(shown[0].number)
    assert session.pages() == shown[1:]
    with pytest.raises(InputError, match="is not open"):
        session.page(shown[0].number)


def test_what_can_be_chosen_is_what_the_reader_takes():
    offered = choices()
    for name in ("layout", "speed_mm_per_s", "gain_mm_per_mv"):
        for value in offered[name]:
            Given(**{name: value})


def _points(path):
    numbers = re.findall(r"-?[\d.]+", re.search(r' d="([^"]*)"', path)[1])
    return np.array(numbers, float).reshape(-1, 2)


def test_a_chart_is_to_scale_with_a_band_of_two_deviations():
    signals = np.full((12, 5000), np.nan)
    signals[1, :1250] = 0.0
    signals[1, 500] = 1.0
    signals[1, 1000:1100] = np.nan
    std = np.full_like(signals, 0.1)
    svg = svg_chart(signals, (("II",),), std, px_per_mm=4)
    (trace,) = [p for p in svg.split("<path")[1:] if 'stroke="#111"' in p]
    xy = _points(trace)
    tip = xy[xy[:, 1].argmin()]
    # 1 s is 25 mm, 1 mV 10 mm, a mm 4 px.
    assert tip[0] == pytest.approx(100, abs=0.1)
    assert np.median(xy[:, 1]) - tip[1] == pytest.approx(40, abs=0.1)
    assert trace.count("M") == 2
    (band,) = [p for p in svg.split("<path")[1:] if 'class="band"' in p]
    flat = _points(band)[:, 1]
    assert np.ptp(flat[flat > tip[1] + 20]) == pytest.approx(16, abs=0.1)
    assert 'data-lead="II" data-start-s="0.000" data-stop-s="10.000"' in svg


def test_a_lead_that_is_printed_turned_over_has_its_place_in_a_chart():
    signals = np.zeros((12, 5000))
    svg = svg_chart(signals, (("aVL", "-aVR"),))
    assert 'data-lead="aVR" data-start-s="5.000"' in svg


def test_rows_of_a_chart_are_as_high_as_their_waves():
    signals = np.zeros((12, 500))
    low = re.search(r'height="(\d+)"', svg_chart(signals, (("I",),)))
    signals[0, 100] = 9.0
    high = re.search(r'height="(\d+)"', svg_chart(signals, (("I",),)))
    # 8.5 mV more, of 25.6 px: 1 and 9.5 mV above zero.
    assert int(high[1]) - int(low[1]) == pytest.approx(8.5 * 25.6, abs=1)


def test_a_killed_app_leaves_nothing_behind(tmp_path, page_file):
    pytest.importorskip("starlette")
    pytest.importorskip("uvicorn")
    process = subprocess.Popen(
        [sys.executable, "-m", "ecg_keras", "app", "--no-browser"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert "http://127.0.0.1:" in process.stdout.readline()
        assert list(tmp_path.glob("ecg_keras-app-*"))
        process.send_signal(signal.SIGTERM)
        try:
            assert process.wait(30) == 143
        finally:
            process.kill()
    assert not list(tmp_path.glob("ecg_keras-app-*"))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_app_ends_where_python_drops_the_exception(monkeypatch):
    class Killed:
        def __del__(self):
            signal.raise_signal(signal.SIGTERM)

    class Server:
        url = "http://127.0.0.1"

        def __init__(self, *_):
            self.is_stopped = False

        def serve(self):
            Killed()
            assert self.is_stopped

        def stop(self):
            self.is_stopped = True

    monkeypatch.setattr(command, "_server_class", lambda: Server)
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as ended:
            command.run(command.AppConfig(browser=False))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended.value.code == 143

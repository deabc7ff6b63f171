"""The app in a browser, from a drop to a download; and its requests.

The browser is Debian's chromium, driven by Playwright; where one of them is
not installed, its tests are skipped and say so.
"""

import base64
import csv
import io
import json
import shutil
import sys
import time
import types
import urllib.error
import urllib.request

import numpy as np
import pytest

from ecg_keras.app.command import KAGGLE_PROXY, choices, show_in_notebook
from ecg_keras.app.session import Session
from ecg_keras.ecg.metrics import record_ratio, score_db
from ecg_keras.errors import InputError
from ecg_keras.page_reader import load_page_reader
from tests.app_pages import dark_page_reader, drawn_page, save, save_dark

pytest.importorskip("starlette", reason="starlette is not installed")
pytest.importorskip("uvicorn", reason="uvicorn is not installed")

from ecg_keras.app.server import AppServer  # noqa: E402

WAIT_S = 120


@pytest.fixture
def server():
    with Session(dark_page_reader) as session:
        server = AppServer(session, choices())
        server.start()
        yield server
        server.stop()


def _ask(url, data=None, method=None):
    request = urllib.request.Request(url, data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def test_nothing_is_answered_without_the_secret(server):
    root = f"http://127.0.0.1:{server.port}"
    for path in ("/", "/state", "/files", "/wrong/state", "/static/app.js"):
        assert _ask(root + path)[0] == 404
    assert _ask(server.url)[0] == 200
    assert server.socket.getsockname()[0] == "127.0.0.1"


def test_the_page_may_load_nothing_from_elsewhere(server):
    _, headers, page = _ask(server.url)
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; ")
    assert headers["Referrer-Policy"] == "no-referrer"
    for name in ("app.js", "app.css"):
        code, headers, text = _ask(f"{server.url}static/{name}")
        assert code == 200 and "Content-Security-Policy" in headers
        page += text.replace(b"http://www.w3.org/2000/svg", b"")
    assert b"http" not in page
    assert _ask(f"{server.url}static/..%2Fserver.py")[0] == 404


def test_requests_that_are_wrong_are_answered_with_words(server):
    for path, data in (
        ("pages/7/read", b"{}"),
        ("pages/7/read", b"no json"),
        ("pages/7/read", b"[]"),
        ("pages/7/take_back", b'{"lead": "I"}'),
        ("pages/7/download/csv", None),
        ("all.zip", None),
    ):
        code, _, answer = _ask(server.url + path, data)
        assert code == 400 and json.loads(answer)["error"], path
    assert _ask(f"{server.url}nothing")[0] == 404


def test_a_port_that_is_taken_is_told(server):
    with pytest.raises(InputError, match=f"--port {server.port} cannot be"):
        with Session() as session:
            AppServer(session, choices(), server.port)


@pytest.mark.parametrize(
    ("is_kaggle", "proxy", "below"),
    [
        (False, None, "http://127.0.0.1:{port}"),
        (False, "/hub/proxy/{port}/", "/hub/proxy/{port}"),
        (True, None, KAGGLE_PROXY + "/k/12/a.b/proxy/proxy/{port}"),
    ],
)
def test_a_notebook_shows_the_page_below_its_own_address(
    monkeypatch, capsys, is_kaggle, proxy, below
):
    pytest.importorskip("IPython")
    ends = []
    monkeypatch.setattr("atexit.register", ends.append)
    monkeypatch.delenv("KAGGLE_KERNEL_RUN_TYPE", raising=False)
    if is_kaggle:
        monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")
        module = types.ModuleType("jupyter_server.serverapp")
        module.list_running_servers = lambda: [{"base_url": "/k/12/a.b/"}]
        parent = types.ModuleType("jupyter_server")
        monkeypatch.setitem(sys.modules, parent.__name__, parent)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    frame = show_in_notebook(proxy)
    try:
        server = ends[-1].__self__
        address = below.format(port=server.port) + server.path
        assert frame.src == address and address in capsys.readouterr().out
        assert _ask(server.url)[0] == 200
    finally:
        for end in reversed(ends):
            end()


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed"
    )
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        # Containers run as root, where chromium's sandbox does not.
        browser = driver.chromium.launch(
            executable_path=path, args=["--no-sandbox"]
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """A browser's page; whatever it logs as wrong fails the test."""
    page = browser.new_page(viewport={"width": 1500, "height": 1000})
    page.set_default_timeout(WAIT_S * 1000)
    wrong = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "console",
        lambda message: (
            wrong.append(message.text)
            # Requests that are refused with words are no error of the page.
            if message.type == "error" and "status of 400" not in message.text
            else None
        ),
    )
    page.asked = []
    page.on("request", lambda request: page.asked.append(request.url))
    yield page
    page.close()
    assert not wrong


def _wait_until_read(page, n_pages):
    """Wait until all of some pages are read, or failed."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        words = page.locator("#pages .word").all_inner_texts()
        if len(words) == n_pages and not any(
            "reading" in word or "waiting" in word for word in words
        ):
            return [word.removeprefix("● ") for word in words]
        time.sleep(0.05)
    raise TimeoutError(words)


def _choose(page, name):
    page.locator("#pages button.open", has_text=name).click()
    page.locator("#name", has_text=name).wait_for()


def _downloaded(page, link):
    with page.expect_download() as download:
        page.locator("a", has_text=link).click()
    with open(download.value.path(), "rb") as file:
        return download.value.suggested_filename, file.read()


@pytest.mark.slow
@pytest.mark.floor
@pytest.mark.filterwarnings("ignore:The inplace keyword")
def test_pages_are_dropped_read_corrected_and_downloaded(
    server, page, tmp_path
):
    image, _, _ = drawn_page()
    save(tmp_path / "good.png", image)
    save_dark(tmp_path / "dark.png")
    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    page.goto(server.url)
    assert page.locator("#empty").is_visible()
    page.set_input_files(
        "#files", [tmp_path / n for n in ("good.png", "dark.png", "torn.png")]
    )
    assert _wait_until_read(page, 3) == ["good", "refused", "failed"]

    # A damaged file is told by its name, with what to do, and no traces.
    _choose(page, "torn.png")
    assert "torn.png is" in page.inner_text("#reasons")
    assert str(tmp_path) not in page.inner_text("main")
    assert not page.locator("#chart-card").is_visible()
    _choose(page, "dark.png")
    assert page.inner_text("#reasons") == "no grid was found"
    assert page.locator("#picture").is_visible()
    assert page.locator("#downloads a.off").count() == 2

    # The traces lie over the picture, at its size.
    _choose(page, "good.png")
    assert "layout 3x4+1" in page.inner_text("#facts")
    picture = page.locator("#picture").bounding_box()
    overlay = page.locator("#overlay svg").bounding_box()
    for side in ("x", "y", "width", "height"):
        assert overlay[side] == pytest.approx(picture[side], abs=1)
    assert page.locator("#overlay polyline").count() == 13
    assert page.locator("#chart-frame path.band").count() == 13

    # What is wrong is set, and the page is read again.
    page.select_option("#gain_mm_per_mv", "5")
    page.click("#again")
    page.locator("#facts", has_text=" 5 mm/mV").wait_for()
    assert page.input_value("#gain_mm_per_mv") == "5"
    page.click("#forget")
    page.locator("#facts", has_text=" 10 mm/mV").wait_for()
    assert page.input_value("#gain_mm_per_mv") == ""

    # A stretch is chosen by the mouse, and taken back.
    lead = page.locator('rect.lead[data-lead="aVF"]')
    lead.scroll_into_view_if_needed()
    box = lead.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.2 * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], middle, steps=3)
    page.mouse.up()
    assert page.input_value("#lead") == "aVF"
    start_s, stop_s = (
        float(page.input_value(name)) for name in ("#start_s", "#stop_s")
    )
    # aVF is shown from 2.5 to 5 s, as near as the page is read.
    assert (start_s, stop_s) == pytest.approx((3.0, 4.0), abs=0.06)
    page.click("#take")
    page.locator("#taken", has_text="Taken back: aVF").wait_for()

    name, data = _downloaded(page, "csv")
    assert name == "good.csv"
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    for row in rows:
        time_s = float(row["time_s"])
        if 2.6 <= time_s < 4.9:
            assert bool(row["aVF"]) != (start_s <= time_s < stop_s), time_s
    name, data = _downloaded(page, "JSON")
    told = json.loads(data)
    assert name == "good.json" and told["layout"] == "3x4+1"
    assert told["taken_back"][0]["lead"] == "aVF"
    name, data = _downloaded(page, "WFDB")
    assert name == "good_wfdb.zip" and data[:2] == b"PK"
    name, data = _downloaded(page, "All files")
    assert name == "ecg_keras.zip" and data[:2] == b"PK"
    page.click("#restore")
    page.locator("#restore:disabled").wait_for()

    # A reload forgets nothing; a page that is closed is gone.
    page.reload()
    assert _wait_until_read(page, 3) == ["good", "refused", "failed"]
    page.click('button[title="close torn.png"]')
    assert _wait_until_read(page, 2) == ["good", "refused"]
    assert all(url.startswith(server.url) for url in page.asked)


def test_a_file_is_dropped_by_the_mouse(server, page, tmp_path):
    image, _, _ = drawn_page()
    data = save(tmp_path / "a.png", image).read_bytes()
    page.goto(server.url)
    page.locator("#layout option", has_text="3x4+1").wait_for(state="attached")
    files = page.evaluate_handle(
        """(text) => {
            const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], "a.png"));
            return transfer;
        }""",
        base64.b64encode(data).decode(),
    )
    page.dispatch_event("#drop", "drop", {"dataTransfer": files})
    assert _wait_until_read(page, 1) == ["good"]


def test_corners_are_marked_on_the_picture(server, page, tmp_path):
    image, _, _ = drawn_page()
    save(tmp_path / "a.png", image)
    page.goto(server.url)
    page.set_input_files("#files", tmp_path / "a.png")
    _wait_until_read(page, 1)
    page.click("#mark")
    box = page.locator("#picture").bounding_box()
    for x, y in ((0.1, 0.1), (0.9, 0.1), (0.9, 0.8)):
        page.mouse.click(
            box["x"] + x * box["width"], box["y"] + y * box["height"]
        )
    page.click("#again")
    assert page.inner_text("#message") == "mark four corners, or none"
    # What is said moves nothing.
    assert page.locator("#picture").bounding_box() == box
    page.mouse.click(
        box["x"] + 0.1 * box["width"], box["y"] + 0.8 * box["height"]
    )
    assert page.locator("#marks circle").count() == 4
    page.fill("#width_mm", "200")
    page.click("#again")
    assert "width and height" in page.inner_text("#message")
    page.fill("#height_mm", "10")
    sent = []
    page.on("request", lambda request: sent.append(request.post_data))
    page.evaluate("document.getElementById('said').noValidate = true")
    page.click("#again")
    page.locator("#message", has_text="20 to 1000 mm").wait_for()
    (values,) = [json.loads(text) for text in sent if text]
    height, width = image.shape[:2]
    np.testing.assert_allclose(
        np.array(values["corners_px"]) / (width, height),
        [(0.1, 0.1), (0.9, 0.1), (0.9, 0.8), (0.1, 0.8)],
        atol=0.003,
    )


@pytest.mark.slow
@pytest.mark.floor
def test_a_page_is_read_by_the_packaged_reader(page, tmp_path):
    image, _, mv = drawn_page()
    save(tmp_path / "a.png", image)
    with Session(load_page_reader) as session:
        server = AppServer(session, choices())
        server.start()
        page.goto(server.url)
        page.set_input_files("#files", tmp_path / "a.png")
        # Simulated beats are narrow: they are not read surely.
        assert _wait_until_read(page, 1) == ["doubtful"]
        _, data = _downloaded(page, "csv")
        server.stop()
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    found = np.array(
        [[float(v or "nan") for k, v in row.items() if k != "time_s"]
         for row in rows]
    ).T  # fmt: skip
    shown = np.where(np.isfinite(found), mv[:, : found.shape[1]], np.nan)
    assert score_db([record_ratio(shown, found, 500)]) > 6

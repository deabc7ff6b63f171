"""Traces that a PDF holds as paths: exact, however they are drawn."""

import numpy as np
import pypdfium2
import pytest
from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen import canvas

from ecg_keras.documents.pages import find_pages
from ecg_keras.documents.vector import _grid_mm_pt, read_page
from ecg_keras.ecg.leads import LEADS
from ecg_keras.ecg.metrics import lead_powers
from ecg_keras.ecg.synthesis import simulate
from tests.ecg_pdfs import ROWS_6X1, write_pdf


@pytest.fixture(scope="module")
def signals_mv():
    return simulate(np.random.default_rng(7)).astype(np.float64)


def _db(shown_mv, found):
    """Competition metric of what a page shows, without alignment by eye."""
    n = shown_mv.shape[1]
    whole = np.zeros_like(shown_mv)
    length = min(n, found.signals_mv.shape[1])
    whole[:, :length] = np.nan_to_num(found.signals_mv[:, :length])
    signal, noise = lead_powers(shown_mv, whole, 500)
    return 10 * np.log10(signal.sum() / noise.sum())


CASES = {
    "one path a lead": {},
    "names below, as MUSE": {"name_offset_mm": (0, -6)},
    "a row is a path with its pulse": {"construction": "row"},
    "a path a stretch": {"construction": "stretch"},
    "a path for two points": {"construction": "line"},
    "in a form": {"construction": "form"},
    "six rows": {"rows": ROWS_6X1, "pulse": False},
    "50 mm/s, half the gain": {
        "rows": ROWS_6X1,
        "speed_mm_per_s": 50,
        "gain_mm_per_mv": 5,
        "signals_s": 4,
    },
    "250 samples a second": {"rate_hz": 250},
    "text and traces run up": {"turned_deg": 90},
    "text and traces run down": {"turned_deg": 270},
    "on its head": {"turned_deg": 180},
    "no grid": {"grid": "none"},
    "a page of half the size": {"scale": 0.5},
    "half the size, no grid": {"scale": 0.5, "grid": "none"},
}


@pytest.mark.parametrize("case", CASES)
def test_paths_are_read_to_more_than_40_db(signals_mv, tmp_path, case):
    options = dict(CASES[case])
    seconds = options.pop("signals_s", 10)
    signals = signals_mv[:, : 500 * seconds]
    shown_mv = write_pdf(tmp_path / "a.pdf", signals, **options)
    found = read_page(tmp_path / "a.pdf", 0)
    assert found is not None
    assert found.source == "vector" and found.reasons == ()
    assert found.quality == "good"
    assert found.speed_mm_per_s == options.get("speed_mm_per_s", 25)
    assert found.gain_mm_per_mv == options.get("gain_mm_per_mv", 10)
    six = options.get("rows") == ROWS_6X1
    assert found.layout == ("6x1" if six else "3x4+1")
    assert found.rows[1] == (("II",) if six else ("II", "aVL", "V2", "V5"))
    assert _db(shown_mv, found) > 40
    printed = np.isfinite(found.signals_mv)
    expected = np.isfinite(shown_mv)
    width = min(printed.shape[1], expected.shape[1])
    apart = printed[:, :width] != expected[:, :width]
    assert apart.sum(axis=1).max() <= 12
    assert not printed[[not row.any() for row in expected]].any()


@pytest.mark.parametrize("rotation_deg", [90, 180, 270])
def test_a_page_that_is_shown_turned_is_read(
    signals_mv, tmp_path, rotation_deg
):
    turned = {90: 90, 180: 180, 270: 270}[rotation_deg]
    shown_mv = write_pdf(tmp_path / "a.pdf", signals_mv, turned_deg=turned)
    document = pypdfium2.PdfDocument(tmp_path / "a.pdf")
    document[0].set_rotation(rotation_deg)
    document.save(tmp_path / "b.pdf")
    found = read_page(tmp_path / "b.pdf", 0)
    assert _db(shown_mv, found) > 40


def test_what_matplotlib_writes_is_read(signals_mv, tmp_path):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(297 / 25.4, 210 / 25.4))
    axes = figure.add_axes([0, 0, 1, 1])
    axes.set(xlim=(0, 297), ylim=(0, 210))
    axes.set_axis_off()
    times_s = np.arange(5000) / 500
    for k, lead in enumerate(LEADS):
        zero_mm = 195 - 15 * k
        y = zero_mm + 10 * signals_mv[k]
        axes.plot(20 + 25 * times_s, y, "k", linewidth=0.5)
        axes.text(8, zero_mm, lead, va="center")
    axes.text(20, 3, "25 mm/s, 10 mm/mV")
    figure.savefig(tmp_path / "a.pdf")
    found = read_page(tmp_path / "a.pdf", 0)
    assert found.layout == "12x1" and _db(signals_mv, found) > 30
    # Nothing on the page tells its scale.
    assert found.quality == "doubtful"
    assert "the scale is the file's own" in found.reasons[0]


def test_mistaken_leads_are_doubtful(signals_mv, tmp_path):
    swapped = signals_mv.copy()
    swapped[:3] = signals_mv[[1, 0, 2]]
    write_pdf(tmp_path / "a.pdf", swapped, rows=ROWS_6X1)
    found = read_page(tmp_path / "a.pdf", 0)
    assert found.quality == "doubtful"
    assert found.reasons == ("I + III is not II: leads may be mistaken",)


def test_a_pulse_that_contradicts_the_gain_is_doubtful(signals_mv, tmp_path):
    write_pdf(tmp_path / "a.pdf", signals_mv, text="25 mm/s 20 mm/mV")
    found = read_page(tmp_path / "a.pdf", 0)
    assert "the pulse is 10.0 mm high, the gain is 20 mm/mV" in found.reasons


@pytest.mark.parametrize("construction", ["lead", "line"])
def test_coordinates_in_whole_points_are_doubtful(
    signals_mv, tmp_path, construction
):
    shown_mv = write_pdf(
        tmp_path / "a.pdf", signals_mv, construction=construction, round_pt=1
    )
    found = read_page(tmp_path / "a.pdf", 0)
    assert found.quality == "doubtful"
    # A point is 25.4 / 72 mm.
    (reason,) = found.reasons
    assert "steps of 0.035 mV and 14 ms, while " in reason
    # Samples at even times are, whatever x is rounded to.
    assert _db(shown_mv, found) > 22


def test_coordinates_in_tenths_of_points_are_good(signals_mv, tmp_path):
    write_pdf(tmp_path / "a.pdf", signals_mv, round_pt=0.1)
    assert read_page(tmp_path / "a.pdf", 0).quality == "good"


@pytest.mark.parametrize(
    "text", ["", "25 mm/s", "25 mm/s 10 mm/mV 20 mm/mV", "25 or 50 Hz"]
)
def test_a_page_that_does_not_tell_its_scale_is_left_to_pixels(
    signals_mv, tmp_path, text
):
    write_pdf(tmp_path / "a.pdf", signals_mv, text=text)
    assert read_page(tmp_path / "a.pdf", 0) is None


def test_a_page_without_traces_is_left_to_pixels(tmp_path):
    page = canvas.Canvas(str(tmp_path / "a.pdf"))
    page.drawString(100, 100, "I II III 25 mm/s 10 mm/mV")
    grey = Image.new("RGB", (50, 40), "grey")
    page.drawImage(ImageReader(grey), 200, 200, 100, 80)
    page.circle(300, 300, 50)
    page.showPage()
    page.save()
    assert read_page(tmp_path / "a.pdf", 0) is None


def test_the_box_of_traces_leaves_out_header_and_footer(signals_mv, tmp_path):
    write_pdf(tmp_path / "a.pdf", signals_mv)
    left, top, right, bottom = read_page(tmp_path / "a.pdf", 0).traces_box
    (page,) = find_pages([tmp_path / "a.pdf"])
    image = page.read()
    height = image.shape[0]
    # The header's base line is 15 mm below the top, the footer's 8 mm above
    # the end of the page.
    assert 15 / 210 < top < 45 / 210 and bottom < 1 - 13 / 210
    assert left < 25 / 297 and right > 274 / 297
    header = image[: round(top * height)]
    assert (header.min(axis=2) < 60).sum() > 100


@pytest.mark.parametrize("turned_deg", [0, 90, 180, 270])
def test_traces_and_their_box_lie_on_the_page_that_is_seen(
    signals_mv, tmp_path, turned_deg
):
    write_pdf(tmp_path / "a.pdf", signals_mv, turned_deg=turned_deg)
    (page,) = find_pages([tmp_path / "a.pdf"])
    image = page.read()
    reading = page.read_traces()
    left, top, right, bottom = reading.digitized.traces_box
    for lead, times_s, shares in reading.traces:
        # Columns of 2.5 s, but for the strip.
        shown_s = 10 if times_s[-1] - times_s[0] > 3 else 2.5
        start_s = 2.5 * (LEADS.index(lead) // 3) if shown_s < 3 else 0
        assert abs(times_s[0] - start_s) < 0.01
        assert abs(times_s[-1] - start_s - shown_s) < 0.01
        at = np.floor(shares[20:-20] * image.shape[1::-1]).astype(int)
        # Ink is black, the grid is not.
        assert np.median(image[at[:, 1], at[:, 0]].max(axis=1)) < 90
        assert ((left, top) < shares).all() and (shares < (right, bottom)).all()


def test_lines_that_fit_no_lattice_are_no_grid():
    """As in a damaged file: the first line lies between the others' places."""
    at = np.r_[0.0, 1000.9 + 2.0 * np.arange(40)]
    lines = np.stack([at, 0 * at, at, 0 * at + 400], axis=1)
    assert _grid_mm_pt(lines) is None
    assert _grid_mm_pt(lines[1:]) == pytest.approx(2.0, rel=1e-6)

"""Pages: their geometry, read back from their pixels; folders of them."""

import hashlib

import numpy as np
import pandas as pd
import pytest

from ecg_keras.drawing.canvas import blank_page
from ecg_keras.drawing.clean_page import Header, render_page, trace_points
from ecg_keras.drawing.folder import RenderConfig, render_dataset
from ecg_keras.ecg.leads import (
    LEADS,
    N_LEADS,
    N_SAMPLES,
    PAGE_ROWS,
    RATE_HZ,
    printed_mask,
)
from ecg_keras.ecg.records import read_records, read_signals, read_table
from ecg_keras.ecg.resampling import from_grid
from ecg_keras.ecg.signal_files import read_signals_file
from ecg_keras.errors import InputError
from ecg_keras.page import paper
from ecg_keras.page.images import read_image


def _flat(level_mv, rate_hz=RATE_HZ):
    return from_grid(np.full((N_LEADS, N_SAMPLES), level_mv), rate_hz)


def _darkness(page):
    return 1 - page[..., 0] / 255


@pytest.mark.parametrize("level_mv", [-0.53, 0.0, 0.25])
def test_a_flat_lead_lies_where_the_paper_says(level_mv):
    dark = _darkness(render_page(_flat(level_mv), RATE_HZ))
    for row in range(paper.N_ROWS):
        y = paper.y_px(level_mv, row)
        band = dark[int(y) - 6 : int(y) + 8, 300:500]
        pixel_y = np.arange(int(y) - 6, int(y) + 8)[:, None] + 0.5
        centre = (band * pixel_y).sum(0) / band.sum(0)
        np.testing.assert_allclose(centre, y, atol=0.05)
        # 2.2 px wide, in an ink of which a tenth is missing.
        np.testing.assert_allclose(band.sum(0), 2.22 * 0.9, atol=0.06)


def test_traces_begin_and_end_where_the_paper_says():
    dark = _darkness(render_page(_flat(-0.3), RATE_HZ))
    y = int(paper.y_px(-0.3, 3))
    columns = np.flatnonzero(dark[y - 2 : y + 3].max(axis=0) > 0.5)
    inside = columns[(columns > 60) & (columns < 2150)]
    assert inside[0] + 0.5 == pytest.approx(paper.TIME_ZERO_X_PX, abs=1.5)
    assert inside[-1] + 0.5 == pytest.approx(paper.x_px(10), abs=1.5)


def test_each_lead_is_drawn_in_its_own_place():
    signals = np.repeat(np.linspace(-0.5, 0.5, N_LEADS)[:, None], 5000, axis=1)
    dark = _darkness(render_page(from_grid(signals, 250), 250))
    for lead, x, y in trace_points(from_grid(signals, 250), 250):
        level_mv = signals[LEADS.index(lead), 0]
        middle = int(x.mean())
        assert dark[int(y[0]), middle] > 0.3, lead
        zero_y = y[0] + level_mv * paper.PX_PER_MV
        assert np.abs(np.subtract(paper.ZERO_MV_Y_PX, zero_y)).min() < 1e-4


def test_trace_points_hold_every_printed_sample_once_and_the_strip():
    rng = np.random.default_rng(0)
    table = from_grid(rng.normal(size=(12, 5000)), 500)
    traces = trace_points(table, 500)
    assert [lead for lead, _, _ in traces].count("II") == 2
    lead, x, y = traces[-1]
    np.testing.assert_allclose(paper.time_s(x), np.arange(5000) / 500)
    np.testing.assert_allclose(
        paper.voltage_mv(y, 3), table[LEADS.index("II")], atol=1e-5
    )
    points = sum(len(x) for _, x, _ in traces)
    assert points == printed_mask().sum() + 1250


@pytest.mark.parametrize("rate_hz", [250, 1025])
def test_each_column_begins_where_the_generator_draws_it(rate_hz):
    table = from_grid(np.zeros((12, 5000)), rate_hz)
    for lead, x, _ in trace_points(table, rate_hz):
        quarter = next(
            k for row in PAGE_ROWS for k, name in enumerate(row) if name == lead
        )
        if len(x) == 10 * rate_hz:
            quarter = 0  # the rhythm strip
        assert x[0] == pytest.approx(118.1 + quarter * 2.5 * paper.PX_PER_S)
        n = len(x) - 1
        assert x[-1] - x[0] == pytest.approx(n / rate_hz * paper.PX_PER_S)
        assert len(x) in (int(2.5 * rate_hz), 10 * rate_hz)


def test_the_calibration_pulse_is_one_millivolt_high_and_ends_at_zero():
    dark = _darkness(render_page(np.full((12, 5000), np.nan), 500))
    for row in range(4):
        zero_y, top_y = paper.y_px(0, row), paper.y_px(1, row)
        column = dark[int(top_y) - 8 : int(zero_y) + 8, 98].copy()
        column[column < 0.05] = 0  # the grid
        pixel_y = np.arange(len(column)) + int(top_y) - 8 + 0.5
        assert (column * pixel_y).sum() / column.sum() == pytest.approx(
            top_y, abs=0.3
        )
        line = dark[int(zero_y) - 40, 60:140]
        edges = np.flatnonzero(line > 0.5) + 60.5
        assert edges.min() == pytest.approx(paper.x_px(-0.2), abs=2.5)
        assert edges.max() == pytest.approx(paper.x_px(0), abs=2.5)


def test_the_grid_is_that_of_the_competitions_pages():
    page = blank_page()
    # Positions measured on a page of the competition's generator.
    red = np.flatnonzero((page[100] == (255, 0, 0)).all(axis=1))
    assert red[:8].tolist() == [39, 79, 118, 157, 197, 236, 276, 315]
    rows = np.flatnonzero((page[:, 100] == (255, 0, 0)).all(axis=1))
    assert rows[:6].tolist() == [7, 46, 86, 125, 165, 204]
    assert rows[-1] == 1661
    # Vertical lines look dashed: the fine grid is drawn over them.
    assert page[306, 315].tolist() == [254, 223, 219]
    # Horizontal ones are whole.
    assert (page[283, 300:340] == (255, 0, 0)).all()
    with pytest.raises(ValueError, match="read-only"):
        page[0] = 0


def test_the_header_is_written_where_there_is_one():
    table = _flat(0.0)
    plain = render_page(table, 500)
    header = Header("00012_hr", "2001-01-01, 10:00:00", 50, 180, "Male")
    written = render_page(table, 500, header)
    changed = np.nonzero((plain != written).any(axis=2))
    assert changed[0].max() < 140 and len(changed[0]) > 2000
    np.testing.assert_array_equal(plain[140:], written[140:])


@pytest.fixture(scope="module")
def signals_file(tmp_path_factory):
    """Three records, leads in another order, in microvolts."""
    path = tmp_path_factory.mktemp("npz") / "signals.npz"
    rng = np.random.default_rng(0)
    signals = (100 * rng.normal(size=(3, 12, 5000)).cumsum(axis=2)) / 40
    np.savez(
        path,
        ids=["a", "b", "c"],
        leads=LEADS[::-1],
        signals_uv=signals.astype(np.int16),
    )
    return path


def test_signals_files_are_read_by_lead_names_and_units(signals_file):
    ids, signals_mv = read_signals_file(signals_file)
    raw = np.load(signals_file)["signals_uv"]
    assert ids == ["a", "b", "c"]
    np.testing.assert_allclose(signals_mv[:, 0], raw[:, -1] / 1000, rtol=1e-6)


def test_a_rendered_folder_is_one_of_the_competition(tmp_path, signals_file):
    config = RenderConfig(
        str(tmp_path / "d"), 3, str(signals_file), (250, 1025)
    )
    render_dataset(config)
    records = read_records(tmp_path / "d")
    sources = pd.read_csv(tmp_path / "d" / "sources.csv", dtype=str)
    assert sorted(sources["source"]) == ["a", "b", "c"]
    _, signals_mv = read_signals_file(signals_file)
    for record, source in zip(records, sources["source"], strict=True):
        assert record.rate_hz in (250, 1025)
        found, printed = read_signals(record)
        true = signals_mv["abc".index(source)]
        error = (found - true)[printed > 0]
        assert np.sqrt(np.mean(error**2)) < 0.1 * true.std()
        table = read_table(record.signals_path)
        # The page shows what the csv says, to the last decimal.
        np.testing.assert_array_equal(table, np.round(table, 3))
        image = read_image(record.image_paths["0001"])
        assert image.shape == (1700, 2200, 3)
        for lead, x, y in trace_points(table, record.rate_hz):
            assert (image[y.astype(int), x.astype(int), 0] < 200).all(), lead


def _digest(folder):
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "render.json"
    }


@pytest.mark.slow
@pytest.mark.floor
def test_a_seed_gives_a_folder_and_a_killed_one_is_finished(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    render_dataset(RenderConfig(str(whole), 2))
    render_dataset(RenderConfig(str(killed), 2))
    assert _digest(whole) == _digest(killed)
    # As if killed before the second record.
    (killed / "train.csv").unlink()
    next((killed / "train").glob("*/*.png")).unlink()
    render_dataset(RenderConfig(str(killed), 2))
    assert _digest(whole) == _digest(killed)
    with pytest.raises(InputError, match="is not empty"):
        render_dataset(RenderConfig(str(killed), 2))


def _save(path, **changes):
    arrays = {
        "ids": ["a"],
        "leads": LEADS,
        "signals_mv": np.zeros((1, 12, 5000), np.float32),
    }
    np.savez(path, **{k: v for k, v in {**arrays, **changes}.items() if len(v)})


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"leads": ()}, r"arrays ids, leads.*\['ids', 'signals_mv'\]"),
        ({"leads": ["I"] * 12}, "expected leads"),
        (
            {"signals_mv": np.zeros((1, 12, 9))},
            r"\(1, 12, 5000\).*\(1, 12, 9\)",
        ),
        ({"signals_mv": np.full((1, 12, 5000), np.nan)}, "a are not finite"),
    ],
)
def test_a_wrong_signals_file_is_refused_by_name(tmp_path, changes, message):
    _save(tmp_path / "s.npz", **changes)
    with pytest.raises(InputError, match=f"s.npz.*{message}"):
        read_signals_file(tmp_path / "s.npz")


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"records": 0}, "--records .* 1 or more.*0"),
        ({"rate_hz": (5,)}, r"--rate-hz of 50 or more.*\[5\]"),
        ({"output_dir": None}, "--output-dir is missing"),
        ({"signals": "nowhere.npz"}, "nowhere.npz does not exist"),
    ],
)
def test_settings_that_cannot_be_drawn_are_refused(tmp_path, changes, message):
    settings = {"output_dir": str(tmp_path / "d"), "records": 1, **changes}
    with pytest.raises(InputError, match=message):
        render_dataset(RenderConfig(**settings))
    assert not list((tmp_path).glob("d/train*"))


def test_more_records_than_the_file_holds_are_refused(tmp_path, signals_file):
    with pytest.raises(InputError, match="--records 4: .*holds only 3"):
        render_dataset(RenderConfig(str(tmp_path / "d"), 4, str(signals_file)))

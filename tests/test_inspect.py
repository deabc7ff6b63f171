"""The `inspect` command, on a grid of known scale."""

import json

import cv2
import numpy as np
import pytest

from ecg_keras import page_reader
from ecg_keras.commands import inspect as command
from ecg_keras.commands.inspect import InspectConfig, inspect
from ecg_keras.errors import UsageError
from ecg_keras.models.layout import look as looking
from ecg_keras.models.reading.networks import Networks
from tests.found_names import named


def _grid(height=330, width=480, step=4):
    image = np.full((height, width, 3), 235, np.uint8)
    for every, value in ((step, 200), (5 * step, 120)):
        image[::every] = image[:, ::every] = (230, value, value)
    return image


def test_inspect_writes_scale_quality_and_a_picture(tmp_path):
    cv2.imwrite(str(tmp_path / "page.png"), _grid()[..., ::-1])
    out = tmp_path / "out"
    config = InspectConfig((str(tmp_path / "page.png"),), str(out), map=True)
    assert inspect(config) == {"page": "good"}
    written = json.loads((out / "page.json").read_text())
    assert written["px_per_mm_x"] == pytest.approx(4, rel=1e-3)
    assert written["px_per_mm_y"] == pytest.approx(4, rel=1e-3)
    assert written["rotation_deg"] == pytest.approx(0, abs=0.02)
    assert written["reasons"] == []
    assert written["paper_map"]["step_mm"] == [2.5, 2.5]
    picture = cv2.imread(str(out / "page.png"))
    assert picture.shape == (330, 480, 3)
    # A crossing in the middle is marked in green.
    blue, green, red = picture[160, 240].astype(int)
    assert green > blue + 50 and green > red + 50


def test_inspect_shows_rows_pulses_and_words(tmp_path, monkeypatch):
    """In px of the picture, and drawn over it."""
    px = 4  # a mm
    image = _grid(120 * px, 290 * px)
    x_mm = np.arange(0, 250, 0.1)
    beats_mm = 8 * np.exp(-np.square((x_mm % 20 - 10) / 0.6))
    zero_y = [30, 60, 90]
    for y in zero_y:
        trace = np.stack([20 + x_mm, y - beats_mm], axis=-1)
        edges = np.array(
            [[11, 0], [12, 0], [12, 10], [17, 10], [17, 0], [19, 0]]
        )
        for points in (trace, edges * [1, -1] + [0, y]):
            points = np.round(points * px * 8).astype(np.int32)
            cv2.polylines(image, [points], False, (20,) * 3, 2, cv2.LINE_AA, 3)
    cv2.imwrite(str(tmp_path / "page.png"), image[..., ::-1])
    monkeypatch.setattr(looking, "find_names", lambda *_: [named("V1", 0, 0)])
    reader = page_reader.PageReader(Networks(None, None, "names"), None)
    monkeypatch.setattr(command, "load_page_looker", lambda: reader)
    out = tmp_path / "out"
    inspect(InspectConfig((str(tmp_path / "page.png"),), str(out)))
    written = json.loads((out / "page.json").read_text())
    assert len(written["rows"]) == len(written["pulses"]) == 3
    for y, row, pulse in zip(
        zero_y, written["rows"], written["pulses"], strict=True
    ):
        np.testing.assert_allclose(np.array(row)[:, 1], y * px, atol=3)
        assert row[1][0] == pytest.approx(270 * px, abs=4)
        expected = np.array([[12, y], [12, y - 10], [17, y - 10], [17, y]])
        np.testing.assert_allclose(pulse, expected * px, atol=4)
    (word,) = written["words"]
    assert (word["word"], word["probability"]) == ("V1", 0.9)
    before = cv2.imread(str(tmp_path / "page.png")).astype(int)
    changed = cv2.imread(str(out / "page.png")) - before
    right, top = (int(v) for v in word["at"])
    for y, x in (
        (60 * px, 25 * px),
        (30 * px - 20, 12 * px),
        (top - 8, right + 8),
    ):
        near = changed[y - 6 : y + 6, x - 6 : x + 6]
        assert np.abs(near).max() > 80


def test_inspect_of_a_page_without_a_grid_says_so(tmp_path, capsys):
    blank = tmp_path / "blank.png"
    cv2.imwrite(str(blank), np.full((200, 300, 3), 240, np.uint8))
    config = InspectConfig((str(blank),), str(tmp_path / "out"))
    assert inspect(config) == {"blank": "refused"}
    written = json.loads((tmp_path / "out" / "blank.json").read_text())
    assert written["px_per_mm_x"] is None
    assert "no grid" in written["reasons"][0]
    assert "no grid" in capsys.readouterr().out


def test_a_scale_that_is_given_stands_where_there_is_no_grid(tmp_path):
    blank = tmp_path / "blank.png"
    cv2.imwrite(str(blank), np.full((200, 300, 3), 240, np.uint8))
    config = InspectConfig((str(blank),), str(tmp_path / "out"), 6.5)
    assert inspect(config) == {"blank": "doubtful"}
    written = json.loads((tmp_path / "out" / "blank.json").read_text())
    assert written["px_per_mm_x"] == written["px_per_mm_y"] == 6.5


@pytest.mark.parametrize("flags", [{}, {"px_per_mm": -1.0}])
def test_flags_that_are_no_good_are_named(tmp_path, flags):
    output_dir = str(tmp_path) if flags else None
    config = InspectConfig(("x.png",), output_dir, **flags)
    with pytest.raises(UsageError, match="--output-dir|--px-per-mm"):
        inspect(config)


def test_a_picture_whose_file_is_damaged_is_doubtful(tmp_path):
    pytest.importorskip("simplejpeg", reason="simplejpeg is not installed")
    noise = np.random.default_rng(0).integers(0, 9, (330, 480, 1), np.uint8)
    path = tmp_path / "page.jpg"
    cv2.imwrite(str(path), _grid()[..., ::-1] - noise)
    data = path.read_bytes()
    at = len(data) * 9 // 10
    path.write_bytes(data[:at] + data[at + 1000 :])
    config = InspectConfig((str(path),), str(tmp_path / "out"))
    assert inspect(config) == {"page": "doubtful"}
    written = json.loads((tmp_path / "out" / "page.json").read_text())
    assert written["reasons"][0].startswith("its file is damaged: ")

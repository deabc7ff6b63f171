"""Damaged files as `benchmarks/fuzz.py` found them: each is told in words."""

import io
import json
import types
import zipfile

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from reportlab.pdfgen import canvas

from ecg_keras.commands import digitize as digitizing
from ecg_keras.commands.evaluate_pages import score_pages
from ecg_keras.data.pictures import load_pictures
from ecg_keras.documents.pages import find_pages
from ecg_keras.ecg.leads import LEADS
from ecg_keras.ecg.records import PageRecord
from ecg_keras.ecg.signal_files import read_signals_file, write_signals_file
from ecg_keras.ecg.submission import read_test_table, sample_ids
from ecg_keras.errors import InputError
from ecg_keras.files import write_json
from ecg_keras.models.saving import read_keras_file
from ecg_keras.models.weight_files import read_packaged
from ecg_keras.packaged import PRESETS
from ecg_keras.page.layouts import COMPETITION
from ecg_keras.page.paper_map import PaperMap
from ecg_keras.settings import load_json
from ecg_keras.training.config import TrainConfig
from tests.ecg_pdfs import write_pdf

DEEP = b"[" * 100_000
NOT_UTF8 = b'{"x": "\xff\xfe"}'


def rezipped(source, target, change):
    """A zip file with its members changed: a function of a dict of bytes."""
    with zipfile.ZipFile(source) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target


@pytest.mark.parametrize("text", [NOT_UTF8, DEEP, b"[]", b"7", b"null"])
def test_a_config_that_is_no_dict_of_settings(tmp_path, text):
    path = tmp_path / "config.json"
    path.write_bytes(text)
    with pytest.raises(InputError, match="config.json"):
        load_json(TrainConfig, path)


def test_a_test_table_whose_leads_are_blank(tmp_path):
    (tmp_path / "test.csv").write_text(
        "id,lead,fs,number_of_rows\n001,I,500,10\n001,,500,10\n001,x,500,10\n"
    )
    with pytest.raises(InputError, match="expected leads from"):
        read_test_table(tmp_path)


@pytest.mark.parametrize("damage", ["cut", "empty", "no id"])
def test_a_sample_submission_that_is_no_parquet_file(tmp_path, damage):
    path = tmp_path / "sample_submission.parquet"
    pd.DataFrame({"other": ["a"]}).to_parquet(path)
    data = {"cut": path.read_bytes()[:-20], "empty": b""}
    path.write_bytes(data.get(damage, path.read_bytes()))
    with pytest.raises(InputError, match="sample_submission.parquet is no"):
        sample_ids(tmp_path)


@pytest.mark.parametrize(
    "name, content",
    [
        ("ids.npy", b"\x93NUMPX"),  # no array: NumPy gives bytes
        ("leads.npy", b"\x93NUMPY\x01\x00\x10\x00{'descr': (\n"),
        ("signals_mv.npy", b""),
        ("ids.npy", 7),
        ("signals_mv.npy", np.array("a word")),
        # Characters that are none, which NumPy holds.
        ("leads.npy", np.full(12, 0x7FFFFFFF, np.uint32).view("<U1")),
    ],
)
def test_signals_whose_members_are_no_arrays(tmp_path, name, content):
    whole, path = tmp_path / "whole.npz", tmp_path / "signals.npz"
    write_signals_file(whole, ["001"], np.zeros((1, 12, 5000)))
    if not isinstance(content, bytes):
        file = io.BytesIO()
        np.save(file, content)
        content = file.getvalue()
    rezipped(whole, path, lambda members: members.update({name: content}))
    with pytest.raises(InputError, match="signals.npz"):
        read_signals_file(path)


@pytest.mark.parametrize(
    "content", [b"\x93NUMPX", b"\x93NUMPY\x01\x00\x10\x00{'descr': (\n"]
)
def test_weights_whose_members_are_no_arrays(tmp_path, content):
    recipe = PRESETS["tracer"]
    values = json.loads(recipe.read_text())
    (tmp_path / recipe.name).write_text(recipe.read_text())
    for file in values["networks"].values():
        rezipped(
            recipe.parent / file,
            tmp_path / file,
            lambda members: members.update({min(members): content}),
        )
    with pytest.raises(InputError, match="npz"):
        read_packaged(tmp_path / recipe.name)


def damaged_stream(path):
    """A member whose compressed bytes are wrong."""
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("config.json")
        assert info.compress_type == zipfile.ZIP_DEFLATED
    start = info.header_offset + 30 + len(info.filename)
    data[start : start + info.compress_size] = b"\xff" * info.compress_size
    path.write_bytes(data)


def deep_config(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", DEEP)
        archive.writestr("metadata.json", "{}")


@pytest.mark.parametrize("damage", [damaged_stream, deep_config])
def test_a_keras_file_that_is_damaged_within(tmp_path, damage):
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", json.dumps({"a": list(range(999))}))
        archive.writestr("metadata.json", '{"keras_version": "3.15.1"}')
    damage(path)
    with pytest.raises(InputError, match="model.keras is no model"):
        read_keras_file(path)


def page_record(folder, change):
    layout = COMPETITION.printed()
    x = np.arange(3.0)
    nodes = np.stack(np.meshgrid(x, x), axis=-1)
    paper_map = PaperMap((0.0, 0.0), (100.0, 100.0), nodes * 100, 0.0)
    truth = json.loads(
        json.dumps(
            {"layout": layout.to_dict(), "paper_map": paper_map.to_dict()}
        )
    )
    change(truth)
    write_json(truth, folder / "a.json")
    table = pd.DataFrame(np.zeros((5000, 12)), columns=LEADS)
    table.to_csv(folder / "a.csv", index=False)
    names = (folder / "a.csv", folder / "a.png", folder / "a.json")
    return PageRecord("a", *names)


@pytest.mark.parametrize("value", [None, [], "x", {"a": 1}, 0])
@pytest.mark.parametrize(
    "name", ["speed_mm_per_s", "rows", "name", "paper_map"]
)
def test_a_page_whose_layout_is_odd(tmp_path, name, value):
    def change(truth):
        place = truth if name in truth else truth["layout"]
        assert name in place
        place[name] = value

    record = page_record(tmp_path, lambda truth: None)
    load_pictures([record])
    try:
        load_pictures([page_record(tmp_path, change)])
    except InputError as error:
        assert "a.json" in str(error)
    else:
        assert name in ("name", "rows")


def test_a_tiff_of_which_a_page_does_not_say_its_size(tmp_path):
    """It is one that failed, not one that is left out."""
    path = tmp_path / "a.tif"
    blank = Image.new("RGB", (40, 30))
    blank.save(path, save_all=True, append_images=[blank] * 2)
    before, width, after = path.read_bytes().rpartition(b"\x00\x01\x04\x00")
    assert width and len(find_pages([path])) == 3
    path.write_bytes(before + b"\x00\x00\x04\x00" + after)
    *whole, damaged = find_pages([path])
    assert [page.read().shape for page in whole] == [(30, 40, 3)] * 2
    with pytest.raises(InputError, match="a.tif is damaged"):
        damaged.read()


def test_a_pdf_whose_page_cannot_be_loaded(tmp_path):
    path = tmp_path / "a.pdf"
    write_pdf(path, np.zeros((12, 5000)), rate_hz=50)
    data = path.read_bytes()
    assert data.count(b"/Type /Page\n") == 1
    path.write_bytes(data.replace(b"/Type /Page\n", b"/Type /None\n"))
    for page in find_pages([path]):
        for read in (page.read, page.read_paths):
            with pytest.raises(InputError, match="a.pdf"):
                read()


@pytest.mark.parametrize("far", ["1e5", "9" * 12, "9" * 60])
def test_a_pdf_of_which_a_line_lies_far_away(tmp_path, far):
    path = tmp_path / "a.pdf"
    page = canvas.Canvas(str(path), (842, 595), pageCompression=0)
    for k in range(200):
        page.line(100, 3 * k, 600, 3 * k)
        page.line(3 * k, 100, 3 * k, 500)
    page.line(100, 777, 600, 777)
    page.save()
    data = path.read_bytes()
    assert data.count(b"100 777 m 600 777 l") == 1
    line = b"100 777 m 600 %b l" % far.encode()
    path.write_bytes(data.replace(b"100 777 m 600 777 l", line))
    (page,) = find_pages([path])
    assert page.read_paths() is None


@pytest.mark.parametrize(
    "change",
    [
        {"file": []},
        {"file": {"sha256": 1}},
        {"quality": []},
        {"quality": None},
        {"reasons": None},
        {"settings": 3},
        {"settings": "\ud800"},
        {"complete": {}},
        {"layout": {}, "speed_mm_per_s": "x"},
        {"layout": "\ud800"},
        {"rows": 5},
        {"traces_box": [[]]},
    ],
)
def test_what_an_earlier_run_wrote_is_odd(tmp_path, monkeypatch, change):
    from benchmarks.reader_double import ReaderDouble
    from ecg_keras.commands.report import REPORT_FILE

    monkeypatch.setattr(
        "ecg_keras.digitizer.load_digitizer", lambda *_: ReaderDouble()
    )
    page = tmp_path / "page.png"
    Image.new("RGB", (60, 40), "white").save(page)
    out = tmp_path / "out"
    config = digitizing.DigitizeConfig(
        images=(str(page),), output_dir=str(out), picture=False, report=True
    )
    digitizing.digitize(config)
    summary_file = out / "page.json"
    summary = json.loads(summary_file.read_text())
    write_json({**summary, **change}, summary_file)
    (result,) = digitizing.digitize(config)
    if result.quality is None:
        assert "page.json" in result.reasons[0]
        assert result.advice == digitizing.NOT_OVERWRITTEN
    assert (out / REPORT_FILE).read_text().count("<section") == 1


def test_a_page_to_be_scored_whose_json_is_damaged(tmp_path):
    class Reader:
        def read(self, image):
            from benchmarks.reader_double import ReaderDouble

            answer = ReaderDouble().read([image])
            return types.SimpleNamespace(digitized=answer)

    Image.new("RGB", (60, 40), "white").save(tmp_path / "a.png")
    table = pd.DataFrame(np.zeros((5000, 12)), columns=LEADS)
    table.to_csv(tmp_path / "a.csv", index=False)
    (tmp_path / "a.json").write_bytes(NOT_UTF8)
    with pytest.raises(InputError, match="a.json is damaged"):
        score_pages(tmp_path, Reader(), 1e6)
    table.astype(object).assign(I="x").to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(InputError, match="a.csv, lead I"):
        score_pages(tmp_path, Reader(), 1e6)


@pytest.fixture
def shard(tmp_path):
    shards = pytest.importorskip("ecg_keras.archive.shards")
    from benchmarks.reader_double import ReaderDouble
    from ecg_keras.archive.opening import Unit, open_unit
    from ecg_keras.archive.reading import PageModelHandler

    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "page.png")
    handler = PageModelHandler(load=ReaderDouble)
    opened = open_unit(Unit("00000-a", (str(tmp_path / "page.png"),)))
    read = handler.run_inference(list(opened), handler.load_model())
    shards.write_shard(str(tmp_path / "archive"), "00000-a", read, 500)
    return tmp_path / "archive" / "readings" / "00000-a.parquet"


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9, 0.999])
def test_a_shard_of_which_a_byte_is_wrong(shard, share):
    """Its pages have checksums."""
    from ecg_keras.archive.shards import READINGS_FOLDER, read_table

    folder = str(shard.parents[1])
    read_table(folder, READINGS_FOLDER, "00000-a")
    data = bytearray(shard.read_bytes())
    data[int(share * (len(data) - 1))] ^= 0x55
    shard.write_bytes(data)
    with pytest.raises(InputError, match="00000-a.parquet is damaged"):
        read_table(folder, READINGS_FOLDER, "00000-a")


def test_a_shard_without_its_footer_is_told_by_all_that_read_it(shard):
    from ecg_keras.archive.check import contents_of
    from ecg_keras.archive.command import summarise

    shard.write_bytes(shard.read_bytes()[:-100])
    folder = str(shard.parents[1])
    (said,) = contents_of(folder).damaged
    assert "00000-a.parquet is damaged" in said
    with pytest.raises(InputError, match="00000-a.parquet is damaged"):
        summarise(folder, ["page.png"])

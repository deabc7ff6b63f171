"""Archives on Beam: every page in one row, whatever happens on the way."""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

beam = pytest.importorskip(
    "apache_beam",
    reason="apache-beam is not installed: pip install 'ecg_keras[beam]'",
)

import pandas as pd  # noqa: E402

from benchmarks.reader_double import ReaderDouble  # noqa: E402
from ecg_keras.__main__ import main  # noqa: E402
from ecg_keras.archive import command, shards  # noqa: E402
from ecg_keras.archive.check import CheckConfig, check, contents_of  # noqa: E402
from ecg_keras.archive.command import ArchiveConfig, archive  # noqa: E402
from ecg_keras.archive.opening import PageKey, Unit, open_unit  # noqa: E402
from ecg_keras.archive.reading import PageModelHandler  # noqa: E402
from ecg_keras.archive.transform import ReadPages  # noqa: E402
from ecg_keras.ecg.leads import LEADS  # noqa: E402
from ecg_keras.errors import InputError, UsageError  # noqa: E402

ROOT = Path(__file__).parents[1]
IN_MEMORY = ("--direct_running_mode=in_memory",)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A folder with 9 pages in 7 files; 2 pages cannot be read."""
    folder = tmp_path_factory.mktemp("pages")
    for seed in range(4):
        _picture(seed).save(folder / f"{seed}.png")
    _picture(4).save(
        folder / "three.tif", save_all=True,
        append_images=[_picture(5), _picture(6)],
    )  # fmt: skip
    Image.new("RGB", (70, 50), "black").save(folder / "dark.png")
    (folder / "cut.png").write_bytes((folder / "0.png").read_bytes()[:500])
    return folder


def _picture(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (50, 70, 3), np.uint8)
    return Image.fromarray(pixels)


def _config(pages, folder, **changes):
    settings = {
        "input": (str(pages),),
        "output": str(folder / "archive"),
        "files_a_shard": 2,
        "other_flags": IN_MEMORY,
    }
    return ArchiveConfig(**{**settings, **changes})


def _rows(folder):
    """(readings, failures) by path and page, without what differs by run."""
    tables = []
    for name in ("readings", "failures"):
        table = pd.read_parquet(folder / "archive" / name)
        table = table.drop(columns="seconds").set_index(["path", "page"])
        tables.append(table.sort_index())
    return tables


def _assert_same_rows(folder, other):
    for found, expected in zip(_rows(folder), _rows(other), strict=True):
        pd.testing.assert_frame_equal(found, expected)


@pytest.fixture(scope="module")
def whole(pages, tmp_path_factory):
    """The archive of one run without trouble, in a folder."""
    folder = tmp_path_factory.mktemp("whole")
    archive(_config(pages, folder), ReaderDouble)
    return folder


def test_every_page_is_in_one_of_the_two_outputs(pages, tmp_path):
    notes = tmp_path / "notes"

    def note(row, table):
        with open(notes, "a") as file:
            name = row["path"].rsplit("/", 1)[-1]
            file.write(f"{table} {name} {row['page']}\n")

    handler = PageModelHandler(load=ReaderDouble)
    with beam.Pipeline(options=_options()) as pipeline:
        patterns = [f"{pages}/*.png", f"{pages}/three.tif", f"{pages}/no.png"]
        rows = pipeline | beam.Create(patterns) | ReadPages(handler)
        rows.readings | "a" >> beam.Map(note, "readings")
        rows.failures | "b" >> beam.Map(note, "failures")
    good = [(f"{seed}.png", 1) for seed in range(4)]
    good += [("three.tif", page) for page in (1, 2, 3)]
    bad = [("cut.png", 1), ("dark.png", 1), ("no.png", 1)]
    expected = [f"readings {name} {page}" for name, page in good]
    expected += [f"failures {name} {page}" for name, page in bad]
    assert sorted(notes.read_text().splitlines()) == sorted(expected)


def _options():
    from apache_beam.options.pipeline_options import PipelineOptions

    return PipelineOptions(list(IN_MEMORY))


def test_a_pattern_without_files_is_refused(tmp_path):
    with pytest.raises(Exception, match="matches no file"):
        with beam.Pipeline(options=_options()) as pipeline:
            (
                pipeline
                | beam.Create([f"{tmp_path}/*.png"])
                | ReadPages(PageModelHandler(load=ReaderDouble))
            )


def test_rows_say_what_was_read_from_what_by_which_model(pages, whole):
    import hashlib

    readings, failures = _rows(whole)
    assert len(readings) == 7 and len(failures) == 2
    row = readings.loc[(str(pages / "three.tif"), 2)]
    digest = hashlib.sha256((pages / "three.tif").read_bytes()).hexdigest()
    assert (row["sha256"], row["pages"]) == (digest, 3)
    assert (row["quality"], row["layout"]) == ("good", "3x4+1")
    assert (row["model"], row["rate_hz"]) == ("double", 500)
    expected = ReaderDouble().read([np.array(_picture(5))]).signals_mv
    for lead, samples_mv in zip(LEADS, expected, strict=True):
        np.testing.assert_array_equal(row[lead], samples_mv)
    dark = failures.loc[(str(pages / "dark.png"), 1)]
    assert (dark["quality"], dark["reason"]) == ("refused", "it is dark")
    cut = failures.loc[(str(pages / "cut.png"), 1)]
    assert cut["quality"] == "failed" and "cut off" in cut["reason"]
    manifest = json.loads((whole / "archive" / "archive.json").read_text())
    assert manifest["input"] == [str(pages)]
    assert set(manifest["model_sha256"]) == {"reader"}


def test_archive_and_digitize_give_the_same_signals(
    pages, tmp_path, monkeypatch
):
    from ecg_keras.commands.digitize import DigitizeConfig, digitize

    monkeypatch.setattr(
        "ecg_keras.digitizer.load_digitizer", lambda *_: ReaderDouble()
    )
    archive(_config(pages, tmp_path, rate_hz=250))
    digitize(
        DigitizeConfig(
            (str(pages),), output_dir=str(tmp_path / "out"), rate_hz=250,
            std=True, format=("parquet",), picture=False,
        )
    )  # fmt: skip
    readings, _ = _rows(tmp_path)
    tables = sorted((tmp_path / "out").glob("*.parquet"))
    assert len(readings) == len(tables) == 7
    for path in tables:
        summary = json.loads(path.with_suffix(".json").read_text())
        file = summary["file"]
        row = readings.loc[(file["path"], file["page"])]
        for name in ("quality", "layout", "model", "source", "rate_hz"):
            assert row[name] == summary[name]
        table = pd.read_parquet(path)
        for name in (*LEADS, *(f"std_mv_{lead}" for lead in LEADS)):
            np.testing.assert_array_equal(row[name], table[name])


def test_a_run_that_stopped_anywhere_ends_as_one_that_did_not(
    pages, whole, tmp_path, monkeypatch
):
    write = shards.write_whole
    calls = []

    def stops(folder, path, data):
        calls.append(path)
        if len(calls) % 3 == 0:
            raise RuntimeError("stopped")
        write(folder, path, data)

    monkeypatch.setattr(shards, "write_whole", stops)
    stopped = 0
    for _ in range(20):
        try:
            archive(_config(pages, tmp_path), ReaderDouble)
            break
        except RuntimeError:
            stopped += 1
    assert stopped
    _assert_same_rows(tmp_path, whole)
    assert not list((tmp_path / "archive" / ".partial").iterdir())


def test_a_killed_run_ends_as_one_that_was_not(pages, whole, tmp_path):
    code = (
        "from benchmarks.reader_double import SlowDouble\n"
        "from ecg_keras.archive.command import ArchiveConfig, archive\n"
        f"archive(ArchiveConfig({(str(pages),)!r}, "
        f"{str(tmp_path / 'archive')!r}, files_a_shard=1, "
        f"other_flags={IN_MEMORY!r}), SlowDouble)"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    folder = tmp_path / "archive" / "readings"
    until_s = time.monotonic() + 120
    while not (folder.is_dir() and any(folder.glob("*.parquet"))):
        assert process.poll() is None and time.monotonic() < until_s
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = len(list(folder.glob("*.parquet")))
    config = _config(pages, tmp_path, files_a_shard=1)
    summary = archive(config, ReaderDouble)
    assert before < len(list(folder.glob("*.parquet")))
    assert not summary.missing and not summary.doubled
    _assert_same_rows(tmp_path, whole)


def test_what_is_read_is_not_read_again(pages, whole, tmp_path, monkeypatch):
    shutil.copytree(whole / "archive", tmp_path / "archive")
    monkeypatch.setattr(command, "_run", None)
    summary = archive(_config(pages, tmp_path), ReaderDouble)
    assert summary.counts == {"good": 7, "refused": 1, "failed": 1}


def test_files_that_come_later_are_added(pages, tmp_path):
    few = tmp_path / "few"
    few.mkdir()
    for name in ("0.png", "1.png", "three.tif"):
        shutil.copy(pages / name, few)
    archive(_config(few, tmp_path), ReaderDouble)
    for path in pages.iterdir():
        shutil.copy(path, few)
    summary = archive(_config(few, tmp_path), ReaderDouble)
    assert summary.n_pages == 9
    assert not summary.missing and not summary.doubled
    assert contents_of(str(tmp_path / "archive")).is_whole


def test_units_do_not_depend_on_the_order_of_the_files(tmp_path):
    paths = [f"scans/{number}.png" for number in range(100)]
    written = shards.Written(str(tmp_path))
    units = shards.plan(paths, 10, written)
    assert units == shards.plan(reversed(paths), 10, written)
    assert sorted(sum((unit.paths for unit in units), ())) == sorted(paths)


def test_an_archive_begun_with_other_settings_is_left_alone(pages, whole):
    config = _config(pages, whole, rate_hz=250)
    with pytest.raises(UsageError, match="begun with settings"):
        archive(config, ReaderDouble)


def test_a_full_disk_stops_the_run_and_leaves_no_part(
    pages, whole, tmp_path, monkeypatch
):
    create = shards.FileSystems.create

    class Full:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def write(self, data):
            self.file.write(data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def full(path, **options):
        file = create(path, **options)
        return Full(file) if path.endswith(".parquet") else file

    monkeypatch.setattr(shards.FileSystems, "create", full)
    with pytest.raises(OSError, match="No space left") as raised:
        archive(_config(pages, tmp_path), ReaderDouble)
    assert raised.value.errno == errno.ENOSPC
    assert not list(tmp_path.rglob("*.parquet"))
    monkeypatch.setattr(shards.FileSystems, "create", create)
    archive(_config(pages, tmp_path), ReaderDouble)
    _assert_same_rows(tmp_path, whole)


def test_a_model_that_cannot_be_read_is_told_in_a_line(pages, tmp_path):
    (tmp_path / "no.keras").write_bytes(b"nothing")
    config = _config(pages, tmp_path, model=(str(tmp_path / "no.keras"),))
    with pytest.raises(InputError, match="no.keras"):
        archive(config)


def test_a_page_that_breaks_the_model_spares_its_batch():
    class Breaks(ReaderDouble):
        def read_each(self, images):
            if any(image[0, 0, 0] == 13 for image in images):
                raise ZeroDivisionError("of this page")
            return super().read_each(images)

    handler = PageModelHandler(load=Breaks)
    model = handler.load_model()
    opened = [_opened(number) for number in range(3)]
    opened[1].pixels[0, 0, 0] = 13
    read = handler.run_inference(opened, model)
    assert [page.key for page in read] == [page.key for page in opened]
    assert [page.failure is None for page in read] == [True, False, True]
    assert "of this page" in read[1].failure[0]
    for index in (0, 2):
        alone = ReaderDouble().read([opened[index].pixels]).signals_mv
        np.testing.assert_array_equal(read[index].digitized.signals_mv, alone)


def _opened(number):
    from ecg_keras.archive.opening import ArchivePage

    pixels = np.array(_picture(number))
    pixels[0, 0, 0] = 0
    return ArchivePage(
        PageKey(f"{number}.png", 1), "unit", 3, 1, "", pixels=pixels
    )


def test_a_page_lost_on_the_way_leaves_its_unit_missing(tmp_path):
    writer = shards.WriteShards(str(tmp_path), 500)
    writer.start_bundle()
    read = PageModelHandler(load=ReaderDouble)
    model = read.load_model()
    for page in read.run_inference([_opened(0), _opened(1)], model):
        assert not list(writer.process((page.key, page)))
    writer.finish_bundle()
    assert not shards.shard_names(str(tmp_path))


def test_what_is_no_file_fails_by_its_name(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")
    _picture(0).save(odd)
    paths = (str(tmp_path / "pipe.png"), str(tmp_path / "folder.png"), odd)
    opened = list(open_unit(Unit("name", paths)))
    assert [page.failure is None for page in opened] == [False, False, True]
    assert "no ordinary file" in opened[0].failure[0]
    assert "is a folder" in opened[1].failure[0]
    assert opened[2].key == (f"{tmp_path}/caf\\xe9.png", 1)
    np.testing.assert_array_equal(opened[2].pixels, np.array(_picture(0)))


def test_check_tells_what_an_archive_holds(pages, whole, tmp_path, capsys):
    config = CheckConfig(
        (str(whole / "archive"),), worst=2, output_dir=str(tmp_path)
    )
    assert check(config) == 0
    told = capsys.readouterr().out
    assert "9 pages of 7 files" in told
    assert "good 7 (77.8 %)" in told and "3x4+1 7 (100.0 %)" in told
    assert "1 x it is dark" in told
    assert sorted(p.name for p in tmp_path.iterdir()) == ["01.png", "02.png"]


def test_check_finds_what_is_doubled_lost_or_damaged(whole, tmp_path):
    folder = tmp_path / "archive"
    shutil.copytree(whole / "archive", folder)
    first, second, *_ = sorted((folder / "readings").iterdir())
    shutil.copy(first, first.with_name("00099-copied.parquet"))
    second.write_bytes(second.read_bytes()[:-100])
    contents = contents_of(str(folder))
    held = pd.read_parquet(first)
    assert set(contents.doubled) == set(
        zip(held["path"], held["page"], strict=True)
    )
    assert len(contents.damaged) == 1 and second.stem in contents.damaged[0]


def test_check_finds_a_page_that_is_in_no_row(pages, whole, tmp_path):
    folder = tmp_path / "archive"
    shutil.copytree(whole / "archive", folder)
    for path in (folder / "readings").iterdir():
        table = pd.read_parquet(path)
        lost = table["path"].str.endswith("three.tif") & (table["page"] == 2)
        table[~lost].to_parquet(path)
    assert contents_of(str(folder)).missing == ((f"{pages}/three.tif", 2),)


def test_flags_of_neither_this_command_nor_beam_are_refused(
    pages, tmp_path, capsys
):
    argv = ["archive", "--input", str(pages), "--output", str(tmp_path / "a")]
    assert main([*argv, "--outptu", "x"]) == 2
    assert "--outptu" in capsys.readouterr().err


def test_other_commands_refuse_flags_that_they_do_not_have(tmp_path):
    with pytest.raises(SystemExit):
        main(["digitize", "page.png", "--runner", "DirectRunner"])


def test_a_saved_model_answers_as_it_does_alone(pages, tmp_path):
    tf = pytest.importorskip("tensorflow")

    class Mean(tf.Module):
        @tf.function(
            input_signature=[
                tf.TensorSpec((None, None, None, 3), tf.uint8, "image")
            ]
        )
        def serve(self, image):
            mean = tf.reduce_mean(tf.cast(image, tf.float32), axis=(1, 2, 3))
            signals = tf.ones((1, 12, 5000)) * mean[:, None, None] / 100
            return {"signals": signals}

    module, folder = Mean(), str(tmp_path / "saved")
    tf.saved_model.save(
        module, folder, signatures={"serving_default": module.serve}
    )
    archive(_config(pages, tmp_path, model=(folder,)))
    readings, _ = _rows(tmp_path)
    row = readings.loc[(str(pages / "1.png"), 1)]
    expected = np.array(_picture(1), np.float64).mean() / 100
    np.testing.assert_allclose(row["V5"][-1000:], expected, rtol=1e-5)
    assert row["model"] == folder


@pytest.fixture(scope="module")
def recipes():
    """The Python of docs/archives.md, block by block."""
    text = (ROOT / "docs" / "archives.md").read_text()
    return re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def test_the_docs_read_the_shards_with_pandas_and_tf_data(
    whole, recipes, monkeypatch
):
    monkeypatch.chdir(whole)
    readings, _ = _rows(whole)
    assert (readings["quality"] == "good").all()
    with_pandas, with_tf_data, _ = recipes
    names = {}
    exec(with_pandas, names)
    assert len(names["good"]) == len(readings) == 7
    first = names["good"].iloc[0]
    np.testing.assert_array_equal(
        names["lead_ii_mv"], readings.loc[first["path"], first["page"]]["II"]
    )
    exec(with_tf_data, names)
    found = sorted(
        signals.tobytes() for signals in names["pages"].as_numpy_iterator()
    )
    expected = [
        np.stack(row).astype(np.float32)
        for row in readings[list(LEADS)].to_numpy()
    ]
    assert found == sorted(signals.tobytes() for signals in expected)
    assert expected[0].shape == (12, 5000)


def test_the_docs_read_pages_in_a_pipeline_of_ones_own(
    recipes, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "ecg_keras.digitizer.load_digitizer", lambda *_: ReaderDouble()
    )
    (tmp_path / "scans").mkdir()
    _picture(1).save(tmp_path / "scans" / "a.pdf")
    (tmp_path / "scans" / "b.pdf").write_bytes(b"no page")
    names, notes = {}, tmp_path / "notes"
    exec(recipes[2], names)

    def note(row, table):
        with open(notes, "a") as file:
            file.write(f"{table} {row['path']}\n")

    with beam.Pipeline(options=_options()) as pipeline:
        for table, rows in zip(
            ("good", "bad"), names["read"](pipeline), strict=True
        ):
            rows | table >> beam.Map(note, table)
    told = notes.read_text().splitlines()
    assert sorted(told) == ["bad scans/b.pdf", "good scans/a.pdf"]


@pytest.mark.slow
def test_two_processes_give_what_one_gives(pages, tmp_path, monkeypatch):
    from tests.models import build_tiny

    model = str(tmp_path / "a.keras")
    build_tiny().save(model)
    argv = ["archive", "--model", model, "--files-a-shard", "2"]
    argv += ["--input", str(pages)]
    for folder, flags in (
        ("two", ["--direct_running_mode=multi_processing"]),
        ("one", ["--direct_running_mode=in_memory"]),
    ):
        output = str(tmp_path / folder / "archive")
        workers = {"two": 2, "one": 1}[folder]
        flags = [*flags, f"--direct_num_workers={workers}"]
        assert main([*argv, "--output", output, *flags]) == 3
    _assert_same_rows(tmp_path / "two", tmp_path / "one")

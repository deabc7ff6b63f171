"""The `digitize` command: files for each page, and every bad page."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ecg_keras.commands import digitize as digitizing
from ecg_keras.commands.digitize import DigitizeConfig, digitize, run
from ecg_keras.documents.pages import shown_part
from ecg_keras.ecg.leads import LEADS, printed_mask
from ecg_keras.ecg.signal_files import deviations_table, signals_table
from ecg_keras.ecg.synthesis import simulate
from ecg_keras.errors import InputError, UsageError
from ecg_keras.predictor import Reading, load
from tests.ecg_pdfs import write_pdf
from tests.models import build_tiny


class Answers:
    """A model whose answer follows from the picture; it refuses dark ones."""

    calls = 0

    def read(self, images):
        Answers.calls += 1
        signals, found = [], []
        for image in images:
            seed = int(image.astype(np.int64).sum())
            rng = np.random.default_rng(seed)
            walk = rng.normal(0, 0.03, (12, 5000)).cumsum(axis=1)
            signals.append(np.clip(walk, -3, 3))
            found.append(image.mean() > 50)
        signals = np.array(signals, np.float32)
        names = np.full(len(images), "tracer", object)
        std = np.full_like(signals, 0.25)
        return Reading(signals, std, np.float32(found), names)


@pytest.fixture(autouse=True)
def answers(request, monkeypatch):
    """All tests but those that ask for a real model."""
    Answers.calls = 0
    if "model" not in request.fixturenames:
        monkeypatch.setattr("ecg_keras.predictor.load", lambda path: Answers())
    return Answers


@pytest.fixture
def model(tmp_path):
    build_tiny().save(tmp_path / "a.keras")
    return str(tmp_path / "a.keras")


@pytest.fixture
def page(tmp_path):
    return _save(tmp_path / "page.png")


def _pixels(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (50, 70, 3), np.uint8)


def _save(path, seed=0, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(_pixels(seed)).save(path, **options)
    return str(path)


def _config(images, tmp_path, **changes):
    settings = {
        "output_dir": str(tmp_path / "out"),
        "picture": False,
        "model": ("tracer",),
    }
    return DigitizeConfig(tuple(images), **{**settings, **changes})


def _failures(tmp_path):
    return pd.read_csv(tmp_path / "out" / "failures.csv").set_index("path")


def test_a_real_models_csv_holds_what_the_page_prints(model, page, tmp_path):
    config = _config([page], tmp_path, model=(model,), picture=True)
    assert run(config) == 0
    table = pd.read_csv(tmp_path / "out" / "page.csv")
    assert list(table) == ["time_s", *LEADS]
    np.testing.assert_allclose(table["time_s"], np.arange(5000) / 500)
    found = table[list(LEADS)].to_numpy().T
    shown = printed_mask() > 0
    np.testing.assert_array_equal(np.isfinite(found), shown)
    expected = load(model).predict([page])[0]
    np.testing.assert_allclose(found[shown], expected[shown], atol=1e-5)
    assert (tmp_path / "out" / "page.png").stat().st_size > 10_000


def test_the_json_says_what_was_read_and_of_which_file(page, tmp_path):
    import hashlib

    digitize(_config([page], tmp_path, rate_hz=250))
    summary = json.loads((tmp_path / "out" / "page.json").read_text())
    with open(page, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    assert summary["file"] == {"path": page, "page": 1, "sha256": digest}
    expected = {
        "unit": "mV",
        "rate_hz": 250,
        "layout": "3x4+1",
        "speed_mm_per_s": 25.0,
        "gain_mm_per_mv": 10.0,
        "quality": "good",
        "reasons": [],
        "source": "image",
        "model": "tracer",
    }
    assert expected.items() <= summary.items()
    assert summary["rows"][1] == ["II", "aVL", "V2", "V5"]
    assert summary["leads"]["V4"] == {"start_s": 7.5, "stop_s": 10.0}
    assert summary["leads"]["II"] == {"start_s": 0.0, "stop_s": 10.0}


@pytest.mark.parametrize("rate_hz", [250, 500, 512, 1000, 1025])
def test_deviations_lie_between_the_models_own_at_any_rate(rate_hz):
    """They jump where a trace becomes unclear, which must not ring below 0."""
    rng = np.random.default_rng(0)
    std_mv = np.where(rng.random((12, 5000)) < 0.01, 1.0, 0.006)
    std_mv[:, 2000:] = 1.0
    std_mv[printed_mask() == 0] = np.nan
    table = deviations_table(std_mv, rate_hz)
    assert list(table) == [f"std_mv_{lead}" for lead in LEADS]
    assert len(table) == 10 * rate_hz
    printed = table.notna().to_numpy()
    signals = signals_table(std_mv, rate_hz)[list(LEADS)]
    np.testing.assert_array_equal(printed, signals.notna().to_numpy())
    found = table.to_numpy()[printed]
    assert found.min() == np.float32(0.006) and found.max() == 1
    row = rate_hz // 5  # 0.2 s, where both grids have a sample
    np.testing.assert_allclose(table["std_mv_II"][row], std_mv[1, 100])


def test_std_adds_a_column_for_each_lead(page, tmp_path):
    digitize(_config([page], tmp_path, std=True, rate_hz=250))
    table = pd.read_csv(tmp_path / "out" / "page.csv")
    names = [f"std_mv_{lead}" for lead in LEADS]
    assert list(table) == ["time_s", *LEADS, *names]
    np.testing.assert_array_equal(
        table[names].isna(), table[list(LEADS)].isna()
    )
    assert set(np.unique(table[names].stack().dropna())) == {0.25}


def test_images_of_one_record_are_averaged(page, tmp_path):
    other = _save(tmp_path / "other.png", seed=1)
    results = digitize(_config([page, other], tmp_path, average_images=True))
    assert [result.quality for result in results] == ["good", "good"]
    found = pd.read_csv(tmp_path / "out" / "page.csv")["II"]
    both = Answers().read([_pixels(0), _pixels(1)]).signals_mv
    np.testing.assert_allclose(found, both.mean(axis=0)[1], atol=1e-5)
    assert not (tmp_path / "out" / "other.csv").exists()


def _text(path):
    path.write_text("this is text")


def _small(path):
    Image.new("RGB", (3, 3)).save(path)


def _cut(path):
    _save(path)
    path.write_bytes(path.read_bytes()[:800])


def _huge(path):
    # 20,000 x 20,000 px, as a header that promises them.
    Image.new("1", (20_000, 20_000)).save(path)


def _dark(path):
    Image.new("RGB", (60, 40), "black").save(path)


def _pdf(path):
    path.write_bytes(b"%PDF-1.7\nand no more")


BAD = {
    _text: "no image",
    _small: "3 x 3 px",
    _cut: "damaged or cut off",
    _huge: "too many pixels",
    _pdf: "damaged PDF",
    _dark: "does not look like a page",
    (lambda path: None): "does not exist",
}


def test_bad_pages_are_rows_of_failures_and_stop_no_other(
    tmp_path, capsys, answers
):
    names = [_save(tmp_path / "first.png")]
    for index, damage in enumerate(BAD):
        damage(tmp_path / f"bad{index}.png")
        names.append(str(tmp_path / f"bad{index}.png"))
    names.append(_save(tmp_path / "last.png", seed=1))
    assert run(_config(names, tmp_path)) == 3
    failures = _failures(tmp_path)
    assert list(failures.index) == names[1:-1]
    for reason, message in zip(failures["reason"], BAD.values(), strict=True):
        assert message in reason
    assert (failures["what_to_do"].str.len() > 5).all()
    tables = sorted(path.name for path in (tmp_path / "out").glob("*.csv"))
    assert tables == ["failures.csv", "first.csv", "last.csv"]
    assert "read 2 of 9 pages" in capsys.readouterr().out
    # Again: only the bad ones are looked at, and none of them by the model.
    calls = answers.calls
    assert run(_config(names, tmp_path)) == 3
    assert answers.calls == calls
    assert list(_failures(tmp_path).index) == sorted(
        names[1:-1], key=names.index
    )


def test_a_page_that_was_mended_leaves_the_failures(page, tmp_path):
    bad = tmp_path / "bad.png"
    _text(bad)
    assert run(_config([str(bad), page], tmp_path)) == 3
    _save(bad, seed=4)
    assert run(_config([str(bad), page], tmp_path)) == 0
    assert len(_failures(tmp_path)) == 0


def test_where_nothing_is_read_the_exit_code_is_1(tmp_path, answers):
    _text(tmp_path / "bad.png")
    assert run(_config([str(tmp_path / "bad.png")], tmp_path)) == 1
    assert answers.calls == 0


def test_a_refused_page_is_written_doubtful_by_force(tmp_path):
    _dark(tmp_path / "dark.png")
    config = _config([str(tmp_path / "dark.png")], tmp_path)
    assert run(config) == 1
    summary = json.loads((tmp_path / "out" / "dark.json").read_text())
    assert summary["quality"] == "refused" and summary["reasons"]
    assert summary["layout"] is None and summary["leads"] == {}
    assert not (tmp_path / "out" / "dark.csv").exists()
    assert run(dataclasses.replace(config, force=True)) == 3
    summary = json.loads((tmp_path / "out" / "dark.json").read_text())
    assert summary["quality"] == "doubtful"
    assert (tmp_path / "out" / "dark.csv").exists()


def test_a_defect_on_one_page_does_not_stop_the_others(
    page, tmp_path, monkeypatch, capsys
):
    read = Answers.read

    def broken(self, images):
        if (images[0] == _pixels(1)).all():
            raise ZeroDivisionError("of this test")
        return read(self, images)

    monkeypatch.setattr(Answers, "read", broken)
    other = _save(tmp_path / "other.png", seed=1)
    assert run(_config([other, page], tmp_path)) == 3
    assert "ZeroDivisionError" in _failures(tmp_path).loc[other, "reason"]
    assert "Traceback" in capsys.readouterr().err


def test_files_of_other_pages_are_never_overwritten_unasked(page, tmp_path):
    config = _config([page], tmp_path)
    assert run(config) == 0
    before = (tmp_path / "out" / "page.csv").read_bytes()
    twin = _save(tmp_path / "sub" / "page.png", seed=1)
    assert run(_config([twin], tmp_path)) == 1
    assert "exists already, of" in _failures(tmp_path).loc[twin, "reason"]
    assert (tmp_path / "out" / "page.csv").read_bytes() == before
    assert run(_config([page], tmp_path, rate_hz=250)) == 1
    assert (tmp_path / "out" / "page.csv").read_bytes() == before
    assert run(_config([twin], tmp_path, overwrite=True)) == 0
    assert (tmp_path / "out" / "page.csv").read_bytes() != before
    foreign = tmp_path / "out" / "other.csv"
    foreign.write_text("mine")
    assert run(_config([_save(tmp_path / "other.png")], tmp_path)) == 1
    assert foreign.read_text() == "mine"


def test_the_page_itself_is_never_overwritten(tmp_path):
    page = _save(tmp_path / "out" / "page.png")
    before = (tmp_path / "out" / "page.png").read_bytes()
    config = _config([page], tmp_path, picture=True, overwrite=True)
    assert run(config) == 1
    assert (tmp_path / "out" / "page.png").read_bytes() == before


def test_a_killed_run_goes_on_after_what_is_whole(tmp_path, monkeypatch):
    names = [_save(tmp_path / f"{k}.png", seed=k) for k in range(3)]
    digitize(_config(names, tmp_path, output_dir=str(tmp_path / "whole")))
    write = digitizing.write_signals

    def killed(path, *args):
        write(path, *args)
        if path.name == "1":
            raise KeyboardInterrupt

    monkeypatch.setattr(digitizing, "write_signals", killed)
    with pytest.raises(KeyboardInterrupt):
        digitize(_config(names, tmp_path))
    monkeypatch.setattr(digitizing, "write_signals", write)
    half = tmp_path / "out" / ".partial-0123abcd-1.csv"
    half.touch()
    Answers.calls = 0
    assert run(_config(names, tmp_path)) == 0
    assert Answers.calls == 2 and not half.exists()
    for name in ("0.csv", "1.csv", "2.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (
            tmp_path / "whole" / name
        ).read_bytes()


def test_two_runs_into_one_folder_keep_each_others_files(tmp_path):
    """Processes of their own, at the same time, some of their pages shared."""
    names = [_save(tmp_path / f"{k}.png", seed=k) for k in range(6)]
    _text(tmp_path / "bad1.png")
    _text(tmp_path / "bad2.png")
    code = (
        "import sys\n"
        "from tests.test_digitize import Answers\n"
        "import ecg_keras.predictor\n"
        "ecg_keras.predictor.load = lambda path: Answers()\n"
        "from ecg_keras.__main__ import main\n"
        "sys.exit(main(['digitize', *sys.argv[1:]]))\n"
    )
    runs = []
    for own in ([*names[:4], "bad1.png"], [*names[2:], "bad2.png"]):
        own = [str(tmp_path / name) for name in own]
        command = [sys.executable, "-c", code, *own, "--no-picture"]
        command += ["--output-dir", str(tmp_path / "out")]
        command += ["--model", "tracer"]
        runs.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
    assert [process.wait() for process in runs] == [3, 3]
    tables = sorted(path.stem for path in (tmp_path / "out").glob("?.csv"))
    assert tables == ["0", "1", "2", "3", "4", "5"]
    assert len(_failures(tmp_path)) == 2
    assert not list((tmp_path / "out").glob(".partial*"))
    for k in range(6):
        found = pd.read_csv(tmp_path / "out" / f"{k}.csv")["II"]
        expected = Answers().read([_pixels(k)]).signals_mv[0, 1]
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_report_shows_all_pages_worst_first_and_no_header(tmp_path, capsys):
    write_pdf(
        tmp_path / "b.pdf", simulate(np.random.default_rng(7)).astype(float)
    )
    _text(tmp_path / "z<script>.png")
    _dark(tmp_path / "dark.png")
    _save(tmp_path / "a.png")
    names = ["a.png", "b.pdf", "dark.png", "z<script>.png"]
    config = _config([str(tmp_path / n) for n in names], tmp_path, report=True)
    assert run(config) == 3
    assert "report.html" in capsys.readouterr().out
    text = (tmp_path / "out" / "report.html").read_text()
    assert "4 pages: 2 good, 0 doubtful, 1 refused, 1 failed" in text
    places = [text.index(f"{name}</h2>") for name in ("dark.png", "a.png")]
    failed = text.index("z&lt;script&gt;.png</h2>")
    assert failed < places[0] < places[1]
    assert text.count("<svg") == 2 and text.count("<img") == 3
    assert "<script" not in text and "http" not in text
    # The same from the files that are there, by a run that reads nothing.
    assert run(config) == 3
    assert (tmp_path / "out" / "report.html").read_text() == text


def test_paths_of_a_pdf_are_read_without_the_model(tmp_path, answers):
    signals_mv = simulate(np.random.default_rng(7)).astype(np.float64)
    shown_mv = write_pdf(tmp_path / "a.pdf", signals_mv)
    page = str(tmp_path / "a.pdf")
    config = _config([page], tmp_path, std=True, format=("csv", "parquet"))
    assert run(config) == 0 and answers.calls == 0
    summary = json.loads((tmp_path / "out" / "a.json").read_text())
    assert summary["source"] == "vector" and summary["layout"] == "3x4+1"
    table = pd.read_csv(tmp_path / "out" / "a.csv")
    apart = table["V2"] - shown_mv[LEADS.index("V2"), : len(table)]
    assert apart.notna().sum() > 1200 and apart.std() < 0.005
    assert table["std_mv_V2"].isna().all()
    assert run(config) == 0


def test_pages_of_one_name_get_names_of_their_own(tmp_path):
    _save(tmp_path / "a" / "page.png")
    _save(tmp_path / "a" / "page.tif", seed=1)
    _save(tmp_path / "a" / "deep" / "page.png", seed=2)
    assert run(_config([str(tmp_path / "a")], tmp_path)) == 0
    tables = sorted(path.name for path in (tmp_path / "out").glob("*.csv"))
    assert tables == ["page_png.csv", "page_png_2.csv", "page_tif.csv"]


def test_pictures_leave_out_the_header_unless_the_whole_page_is_asked_for(
    tmp_path, monkeypatch
):
    drawn = []
    monkeypatch.setattr(
        digitizing,
        "plot_signals",
        lambda path, *args, image, **options: drawn.append(image),
    )
    pixels = np.full((100, 130, 3), 255, np.uint8)
    pixels[5:15, 10:60] = (255, 0, 0)  # a name
    Image.fromarray(pixels).save(tmp_path / "page.png")
    page = str(tmp_path / "page.png")
    config = _config([page], tmp_path, picture=True)
    digitize(config)
    digitize(dataclasses.replace(config, whole_page=True, overwrite=True))
    assert drawn[0].min() == 255 and drawn[0].shape[0] > 60
    np.testing.assert_array_equal(drawn[1], pixels)


def test_a_page_whose_header_may_lie_anywhere_is_shown_illegibly_small():
    page = np.full((1700, 2200, 3), 255, np.uint8)
    assert max(shown_part(page, None).shape) == 150
    assert shown_part(page, None, whole_page=True).shape == page.shape


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"images": ()}, "no page was given.*For example"),
        ({"model": ()}, "no model was given"),
        ({"output_dir": None}, "--output-dir is missing.*For example"),
        ({"rate_hz": 5}, "--rate-hz of 50 or more.*5"),
        ({"rate_hz": 100, "format": ("dicom",)}, "--rate-hz of 200 to 1000"),
    ],
)
def test_missing_settings_are_named(page, tmp_path, changes, message):
    config = dataclasses.replace(_config([page], tmp_path), **changes)
    with pytest.raises(UsageError, match=message):
        digitize(config)


def test_a_folder_that_cannot_be_written_is_an_error(page, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="file is a file"):
        digitize(_config([page], tmp_path, output_dir=tmp_path / "file"))
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    if os.access(locked, os.W_OK):
        pytest.skip("root may write everywhere")
    with pytest.raises(OSError, match="locked"):
        digitize(_config([page], tmp_path, output_dir=str(locked / "d")))


def test_the_command_says_how_to_begin_and_its_version(capsys, page, tmp_path):
    from ecg_keras.__main__ import main
    from ecg_keras.version import __version__

    assert main(["digitize"]) == 2
    assert "ecg-keras digitize page.png" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out.strip() == f"ecg_keras {__version__}"
    output_dir = str(tmp_path / "out")
    argv = ["digitize", page, "--output-dir", output_dir, "--no-picture"]
    argv += ["--model", "tracer"]
    assert main([*argv, "--skip-bad-images"]) == 0
    shutil.rmtree(output_dir)
    assert main([*argv, "--rate-hz", "8"]) == 2


def test_a_model_that_cannot_be_read_stops_the_run(model, page, tmp_path):
    config = _config([page], tmp_path, model=(str(tmp_path / "none.keras"),))
    with pytest.raises(InputError, match="none.keras does not exist"):
        digitize(config)


def test_the_page_reader_reads_with_what_is_given_of_the_pages(
    page, tmp_path, monkeypatch
):
    from ecg_keras.ecg.digitized import DigitizedEcg
    from ecg_keras.page_reader import Given, PageReading

    class PageDouble:
        def __init__(self, given):
            assert given == Given(speed_mm_per_s=50.0)

        def read(self, image):
            signals_mv = np.full((12, 1000), image.mean() / 100, np.float32)
            return PageReading(DigitizedEcg(signals_mv, layout="6x2"))

    monkeypatch.setattr("ecg_keras.page_reader.load_page_reader", PageDouble)
    config = _config([page], tmp_path, model=("reader",), speed=50.0)
    assert run(config) == 0
    table = pd.read_csv(tmp_path / "out" / "page.csv")
    expected = _pixels().mean() / 100
    np.testing.assert_allclose(table[list(LEADS)], expected, atol=1e-5)


def test_of_images_of_one_page_the_surest_count():
    from ecg_keras.digitizer import AnyPageDigitizer
    from ecg_keras.ecg.digitized import DigitizedEcg
    from ecg_keras.page_reader import PageReading

    class PageDouble:
        def read(self, image):
            signals_mv = np.full((12, 100), image.mean(), np.float32)
            signals_mv[0, :50] = np.nan if image.mean() < 25 else 1.0
            quality = "good" if image.mean() < 50 else "doubtful"
            return PageReading(DigitizedEcg(signals_mv, quality=quality))

    digitizer = AnyPageDigitizer(PageDouble())
    images = [np.full((4, 4, 3), value, np.uint8) for value in (20, 40, 90)]
    answer = digitizer.read(images)
    assert answer.quality == "good"
    np.testing.assert_allclose(answer.signals_mv[1:], 30.0)
    # What one does not show, the other does.
    np.testing.assert_allclose(answer.signals_mv[0, :50], 1.0)


def test_images_read_each_give_what_they_give_alone():
    from ecg_keras.digitizer import Digitizer

    digitizer = Digitizer(Answers())
    images = [_pixels(0), _pixels(1) // 8, _pixels(2)]
    answers = digitizer.read_each(images)
    assert [a.quality for a in answers] == ["good", "refused", "good"]
    for image, answer in zip(images, answers, strict=True):
        np.testing.assert_array_equal(
            answer.signals_mv, digitizer.read([image]).signals_mv
        )


def test_pages_are_read_at_once_and_written_in_their_order(
    tmp_path, monkeypatch
):
    """A page that fails among them is reported, and stops no other."""
    from ecg_keras.digitizer import Digitizer

    meeting, asked = threading.Barrier(2, timeout=20), []

    class Both(Answers):
        def read(self, images):
            meeting.wait()
            if images[0].mean() < 100:
                raise InputError("it is dark", "brighten it")
            return super().read(images)

    def load(model, given, force, processes):
        asked.append(processes)
        return Digitizer(Both(), force)

    monkeypatch.setattr("ecg_keras.digitizer.load_digitizer", load)
    pages = [_save(tmp_path / f"{k}.png", seed=k) for k in range(4)]
    Image.new("RGB", (50, 70), (60, 60, 60)).save(pages[2])
    results = digitize(_config(pages, tmp_path, model=("reader",), processes=2))
    assert asked == [2]
    assert [result.page.stem for result in results] == list("0123")
    qualities = [result.quality for result in results]
    assert qualities == ["good", "good", None, "good"]
    written = [tmp_path / "out" / f"{k}.json" for k in (0, 1, 3)]
    times = [path.stat().st_mtime_ns for path in written]
    assert times == sorted(times)


def test_no_process_is_no_number_of_processes(page, tmp_path):
    with pytest.raises(UsageError, match="--processes of 1 or more.*0"):
        digitize(_config(page, tmp_path, processes=0))

"""Damaged files of every kind through all readers of files.

    python -m benchmarks.fuzz --images 20000 --others 5000 --output fuzz.jsonl

Files of each kind are changed at random: bits, bytes, lengths, and values
within json and zip files. The seed tells the change: one seed is one file for
ever. A right answer, "doubtful" and `InputError` are right; any other
exception, a process that dies, more than 60 s and more than 2 GB beside what
the process began with are bugs. A run that is started again goes on after the
seeds in its output.

    python -m benchmarks.fuzz --again SEED --kind jpeg --output x.jsonl

shows one of them with its traceback. The reader is
`reader_double.ReaderDouble`; every fiftieth picture is registered as well.
"""

import argparse
import collections
import contextlib
import copy
import io
import json
import multiprocessing
import os
import resource
import struct
import tempfile
import time
import traceback
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from PIL import Image
from reportlab import rl_config
from reportlab.pdfgen import canvas

from benchmarks.reader_double import ReaderDouble
from ecg_keras.documents.pages import find_pages
from ecg_keras.ecg.leads import LEADS
from ecg_keras.errors import InputError

MEMORY_BYTES, LIMIT_S = 2 * 10**9, 60
A_CHILD = 250
REGISTERED = 50
MOST_PAGES = 3
SIZE_PX = 320, 240
# kind -> share of the seeds.
IMAGES = {
    "jpeg": 4, "progressive": 2, "cmyk jpeg": 1, "png": 2, "palette png": 1,
    "16-bit png": 1, "tiff": 2, "lzw tiff": 1, "jpeg tiff": 1,
    "group 4 tiff": 1, "pages tiff": 1, "jpeg pdf": 2, "flate pdf": 1,
    "vector pdf": 1, "heic": 1, "webp": 1, "lossless webp": 1, "bmp": 1,
}  # fmt: skip
OTHERS = {
    "signals csv": 2, "test csv": 2, "train csv": 2, "config json": 2,
    "map json": 2, "page json": 2, "summary json": 2, "signals npz": 3,
    "weights npz": 1, "sample parquet": 2, "shard parquet": 2, "keras": 2,
}  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--others", type=int, default=5_000)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--kind", help="this kind alone")
    parser.add_argument("--again", type=int, help="this seed, with --kind")
    parser.add_argument("--minutes", type=float, default=600)
    parser.add_argument("--output", required=True)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        corpus = write_corpus(Path(folder) / "corpus")
        if flags.again is not None:
            print(try_one(flags.again, flags.kind, corpus, Path(folder), True))
            return
        done = results(flags.output)
        stop_s = time.monotonic() + 60 * flags.minutes
        for kinds, n in ((OTHERS, flags.others), (IMAGES, flags.images)):
            kinds = {k: s for k, s in kinds.items() if k in corpus}
            total = sum(kinds.values())
            for kind, share in kinds.items():
                if flags.kind not in (None, kind):
                    continue
                first = flags.first_seed
                seeds = set(range(first, first + round(n * share / total)))
                seeds -= {row["seed"] for row in done if row["kind"] == kind}
                run_seeds(sorted(seeds), kind, corpus, flags.output, stop_s)
    print_table(results(flags.output))


def results(output):
    """The rows of a file of results; a last line cut off by a kill is none."""
    if not Path(output).exists():
        return []
    rows = []
    for line in Path(output).read_text().splitlines():
        with contextlib.suppress(ValueError):
            rows.append(json.loads(line))
    return rows


def run_seeds(seeds, kind, corpus, output, stop_s):
    """Try seeds in processes that may die; each adds a line to the output."""
    while seeds and time.monotonic() < stop_s:
        some = seeds[:A_CHILD]
        started = multiprocessing.Value("d", time.monotonic())
        at = multiprocessing.Value("i", -1)
        child = multiprocessing.get_context("fork").Process(
            target=_try_seeds, args=(some, kind, corpus, output, at, started)
        )
        child.start()
        said = None
        while child.is_alive():
            child.join(1)
            # The first of a child brings imports.
            if time.monotonic() - started.value > LIMIT_S + 30:
                said = f"took more than {LIMIT_S} s"
                child.kill()
                child.join()
        if child.exitcode == 0:
            seeds = seeds[len(some) :]
            continue
        said = said or f"the process ended with {child.exitcode}"
        _note(output, at.value, kind, ("bug", said), LIMIT_S, 0)
        seeds = [seed for seed in seeds if seed > at.value]


def _try_seeds(seeds, kind, corpus, output, at, started):
    cv2.setNumThreads(1)
    # What C libraries say of damaged files.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    with tempfile.TemporaryDirectory() as folder:
        if kind == "keras":
            # Before the limit: what Keras and JAX take is no file's fault.
            with contextlib.suppress(InputError):
                READERS[kind](corpus[kind], Path(folder), 0)
        _limit_memory()
        for seed in seeds:
            at.value, started.value = seed, time.monotonic()
            before_mb = _peak_mb()
            answer = try_one(seed, kind, corpus, Path(folder))
            seconds = time.monotonic() - started.value
            if seconds > LIMIT_S:
                answer = "bug", f"took {seconds:.0f} s"
            _note(output, seed, kind, answer, seconds, _peak_mb() - before_mb)


def _limit_memory():
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _note(output, seed, kind, answer, seconds, mb):
    row = {
        "seed": seed,
        "kind": kind,
        "answer": answer[0],
        "said": answer[1][:2000],
        "s": round(seconds, 3),
        "mb": round(mb),
    }
    with open(output, "a") as file:
        file.write(json.dumps(row) + "\n")


def try_one(seed, kind, corpus, folder, loud=False):
    """Change a file and read it.

    Returns:
        ("read", "doubtful", "InputError" or "bug", what was said).
    """
    rng = np.random.default_rng([seed, *kind.encode()])
    source = corpus[kind]
    data = source.read_bytes()
    if kind.endswith("json") and rng.random() < 0.6:
        data = changed_json(rng, data)
    elif zipfile.is_zipfile(source) and rng.random() < 0.6:
        data = changed_zip(rng, data)
    else:
        data = changed(rng, data)
    path = folder / f"fuzzed{source.suffix}"
    path.write_bytes(data)
    try:
        return READERS.get(kind, read_pages)(path, folder, seed)
    except InputError as error:
        return "InputError", str(error)
    except (Exception, RecursionError) as error:
        if loud:
            raise
        place = traceback.extract_tb(error.__traceback__)
        ours = [f for f in place if "ecg_keras" in f.filename][-1]
        return "bug", (
            f"{type(error).__name__} at {Path(ours.filename).name}:"
            f"{ours.lineno}: {error}"
        )


# Changes.


def changed(rng, data):
    """Bytes, changed in one to four places."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        if not data:
            break
        at = int(rng.integers(len(data)))
        if rng.random() < 0.3:  # the header, where most of the meaning is
            at = int(rng.integers(min(len(data), 200)))
        n = int(rng.integers(1, 1 + min(len(data), 2 ** rng.integers(1, 11))))
        way = rng.integers(8)
        if way == 0:
            data[at] ^= 1 << int(rng.integers(8))
        elif way == 1:
            data[at : at + n] = rng.bytes(n)
        elif way == 2:
            data[at : at + n] = bytes(n)
        elif way == 3:
            del data[at : at + n]
        elif way == 4:
            data[at:at] = data[int(rng.integers(len(data))) :][:n]
        elif way == 5:
            del data[at:]
        elif way == 6:
            number = rng.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
            order = rng.choice(["<I", ">I", "<H", ">H"])
            mask = 0xFFFFFFFF if order[1] == "I" else 0xFFFF
            word = struct.pack(order, int(number) & mask)
            data[at : at + len(word)] = word
        else:
            data[at : at + n] = bytes([0xFF]) * n
    return bytes(data)


_VALUES = (
    None, True, -1, 0, 10**30, 1e308, float("nan"), "", "x", [], {}, [[]],
    {"a": 1}, "\ud800", "../../x",
)  # fmt: skip


def changed_json(rng, data):
    """JSON of which values are changed, taken out or put in."""
    value = json.loads(data)
    for _ in range(rng.integers(1, 4)):
        value = _changed_value(rng, value)
    if rng.random() < 0.03:
        return b"[" * 100_000
    return json.dumps(value).encode()


def _changed_value(rng, value):
    if isinstance(value, (dict, list)) and value and rng.random() < 0.93:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        key = list(keys)[int(rng.integers(len(keys)))]
        if rng.random() < 0.15:
            del value[key]
        else:
            value[key] = _changed_value(rng, value[key])
        return value
    return copy.deepcopy(_VALUES[int(rng.integers(len(_VALUES)))])


def changed_zip(rng, data):
    """A zip file of which a member is changed, renamed or taken out."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = list(members)[int(rng.integers(len(members)))]
    content = members.pop(name)
    way = rng.random()
    if way < 0.85:
        is_json = name.endswith(".json") and rng.random() < 0.7
        change = changed_json if is_json else changed
        members[name] = change(rng, content)
    elif way < 0.9:
        members[name + "x"] = content
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


# Readers: function of a file, a folder to write in and the seed.


def read_pages(path, folder, seed):
    """All that the commands do with a picture, but for the networks."""
    doubts = []
    for page in find_pages([path])[:MOST_PAGES]:
        if page.problem:
            raise page.problem
        page.sha256()
        digitized = page.read_paths()
        pixels = page.read()
        assert pixels.ndim == 3 and pixels.shape[2] == 3, pixels.shape
        assert pixels.dtype == np.uint8, pixels.dtype
        doubts += page.damage()
        if digitized is None:
            digitized = ReaderDouble().read([pixels])
            if seed % REGISTERED == 0 and pixels.size < 10**7:
                from ecg_keras.registration.register import register

                register(pixels)
        json.dumps(digitized.summary())
    return ("doubtful", doubts[0]) if doubts else ("read", "")


def read_signals_csv(path, folder, seed):
    from ecg_keras.commands.evaluate_pages import score_pages
    from ecg_keras.ecg.records import read_table

    read_table(path)
    Image.new("RGB", (20, 20), "white").save(path.with_suffix(".png"))
    score_pages(folder, _Reader(), 1e6)
    return "read", ""


class _Reader:
    def read(self, image):
        import types

        return types.SimpleNamespace(digitized=ReaderDouble().read([image]))


def read_test_csv(path, folder, seed):
    from ecg_keras.ecg.submission import read_test_table

    path.rename(folder / "test.csv")
    read_test_table(folder)
    return "read", ""


def read_train_csv(path, folder, seed):
    from ecg_keras.ecg.records import read_records

    path.rename(folder / "train.csv")
    with contextlib.suppress(FileExistsError):
        (folder / "train" / "001").mkdir(parents=True)
        for name in ("001.csv", "001-0001.png"):
            (folder / "train" / "001" / name).touch()
    read_records(folder, on_bad=lambda *_: None)
    return "read", ""


def read_config_json(path, folder, seed):
    from ecg_keras.settings import load_json
    from ecg_keras.training.config import TrainConfig

    load_json(TrainConfig, path)
    return "read", ""


def read_map_json(path, folder, seed):
    from ecg_keras.data.pictures import find_pictures
    from ecg_keras.ecg.records import Record

    picture = path.with_suffix(".png")
    find_pictures(Record("a", 500, 5000, path, {"0003": picture}))
    return "read", ""


def read_page_json(path, folder, seed):
    from ecg_keras.data.pictures import load_pictures
    from ecg_keras.ecg.records import PageRecord

    table = folder / "table.csv"
    if not table.exists():
        pd.DataFrame(np.zeros((5000, 12)), columns=LEADS).to_csv(table)
    load_pictures([PageRecord("a", table, path, path)])
    return "read", ""


def read_summary_json(path, folder, seed):
    """What `digitize` finds of an earlier run, and reports."""
    from ecg_keras.commands import digitize as digitizing
    from ecg_keras.commands.report import write_report

    page = folder / "png.png"
    if not page.exists():
        drawn().save(page)
    out = folder / "out"
    out.mkdir(exist_ok=True)
    path.replace(out / "png.json")
    config = digitizing.DigitizeConfig(
        images=(str(page),), output_dir=str(out), picture=False
    )
    reader = digitizing._Reader(config, out)
    reader.digitizer = ReaderDouble()
    opened = reader.open(find_pages([page]))
    (result,) = reader.write(reader.read(opened))
    write_report(out, [result], False)
    for file in out.iterdir():
        file.unlink()
    if result.quality is None:
        if "defect" in result.advice:
            raise RuntimeError(result.reasons[0])
        return "InputError", result.reasons[0]
    return "read", ""


def read_signals_npz(path, folder, seed):
    from ecg_keras.ecg.signal_files import read_signals_file

    read_signals_file(path)
    return "read", ""


def read_weights_npz(path, folder, seed):
    from ecg_keras.models.weight_files import _read_network

    _read_network(path, "frame_network")
    return "read", ""


def read_sample_parquet(path, folder, seed):
    from ecg_keras.ecg.submission import sample_ids

    path.replace(folder / "sample_submission.parquet")
    sample_ids(folder)
    return "read", ""


def read_shard_parquet(path, folder, seed):
    """What `archive` and `archive-check` find of a damaged shard."""
    from ecg_keras.archive.check import contents_of
    from ecg_keras.archive.command import summarise

    (folder / "readings").mkdir(exist_ok=True)
    path.replace(folder / "readings" / "00000-a.parquet")
    contents = contents_of(str(folder), 10)
    summarise(str(folder), ["a.png"])
    return ("InputError", "damaged") if contents.damaged else ("read", "")


def read_keras(path, folder, seed):
    from ecg_keras.predictor import load

    load(path)
    return "read", ""


READERS = {
    "signals csv": read_signals_csv,
    "test csv": read_test_csv,
    "train csv": read_train_csv,
    "config json": read_config_json,
    "map json": read_map_json,
    "page json": read_page_json,
    "summary json": read_summary_json,
    "signals npz": read_signals_npz,
    "weights npz": read_weights_npz,
    "sample parquet": read_sample_parquet,
    "shard parquet": read_shard_parquet,
    "keras": read_keras,
}


# Files that can be read, to be changed.


def drawn():
    """A small page: a grid of 4 px a mm and a trace. PIL.Image."""
    width, height = SIZE_PX
    pixels = np.full((height, width, 3), 250, np.uint8)
    for step, colour in ((4, (250, 215, 215)), (20, (240, 150, 150))):
        pixels[::step] = pixels[:, ::step] = colour
    x = np.arange(0, width, 0.25)
    y = height / 2 + 30 * np.sin(x / 9) * np.exp(-((x % 60 - 20) ** 2) / 50)
    pixels[y.astype(int), x.astype(int)] = 0
    return Image.fromarray(pixels)


def write_corpus(folder):
    """dict: kind -> path of a file of that kind."""
    folder.mkdir()
    page, corpus = drawn(), {}

    def save(kind, suffix, picture=page, **options):
        corpus[kind] = folder / f"{kind.replace(' ', '_')}.{suffix}"
        picture.save(corpus[kind], **options)

    save("jpeg", "jpg", quality=80)
    save("progressive", "jpg", progressive=True, quality=80)
    save("cmyk jpeg", "jpg", page.convert("CMYK"))
    save("png", "png")
    save("palette png", "png", page.quantize(16))
    deep = np.asarray(page.convert("L")).astype(np.uint16) * 257
    save("16-bit png", "png", Image.fromarray(deep))
    save("tiff", "tif")
    save("lzw tiff", "tif", compression="tiff_lzw")
    save("jpeg tiff", "tif", compression="jpeg")
    save("group 4 tiff", "tif", page.convert("1"), compression="group4")
    save("pages tiff", "tif", save_all=True, append_images=[page] * 2)
    save("webp", "webp", quality=80)
    save("lossless webp", "webp", lossless=True)
    save("bmp", "bmp")
    with contextlib.suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()
        save("heic", "heic")
    _write_pdfs(folder, corpus)
    _write_tables(folder, corpus)
    _write_json(folder, corpus)
    _write_models(folder, corpus)
    return corpus


def _write_pdfs(folder, corpus):
    from tests.ecg_pdfs import write_pdf

    for kind, source in (("jpeg pdf", "jpeg"), ("flate pdf", "png")):
        corpus[kind] = folder / f"{source}.pdf"
        rl_config.useA85 = 0  # pictures in bytes, not in letters
        sheet = canvas.Canvas(str(corpus[kind]), (842, 595))
        sheet.drawImage(str(corpus[source]), 0, 0, 842, 595)
        sheet.save()
    corpus["vector pdf"] = folder / "vector.pdf"
    signals_mv = np.random.default_rng(0).normal(0, 0.1, (12, 5000))
    write_pdf(corpus["vector pdf"], signals_mv, rate_hz=50)


def _write_tables(folder, corpus):
    from ecg_keras.archive import shards
    from ecg_keras.archive.opening import Unit, open_unit
    from ecg_keras.archive.reading import PageModelHandler
    from ecg_keras.ecg.signal_files import write_signals_file

    rng = np.random.default_rng(0)
    signals_mv = rng.normal(0, 0.3, (12, 500)).round(3)
    tables = {
        "signals csv": pd.DataFrame(signals_mv.T, columns=LEADS),
        "train csv": pd.DataFrame(
            {"id": ["001", "002"], "fs": [500, 250], "sig_len": [5000, 2500]}
        ),
        "test csv": pd.DataFrame(
            {
                "id": ["001"] * 12, "lead": LEADS, "fs": [500] * 12,
                "number_of_rows": [1250] * 12,
            }
        ),
    }  # fmt: skip
    for kind, table in tables.items():
        corpus[kind] = folder / f"{kind.replace(' ', '_')}.csv"
        table.to_csv(corpus[kind], index=False)
    corpus["sample parquet"] = folder / "sample.parquet"
    ids = [f"001_{k}_I" for k in range(500)]
    pd.DataFrame({"id": ids, "value": 0.0}).to_parquet(corpus["sample parquet"])
    corpus["signals npz"] = folder / "signals.npz"
    zeros = np.zeros((1, 12, 5000))
    write_signals_file(corpus["signals npz"], ["001"], zeros)
    handler = PageModelHandler(load=ReaderDouble)
    opened = list(open_unit(Unit("00000-a", (str(corpus["png"]),))))
    read = handler.run_inference(opened, handler.load_model())
    shards.write_shard(str(folder / "archive"), "00000-a", read, 100)
    corpus["shard parquet"] = folder / "archive/readings/00000-a.parquet"


def _write_json(folder, corpus):
    from ecg_keras.commands import digitize as digitizing
    from ecg_keras.drawing.folder import RenderConfig, render_dataset
    from ecg_keras.settings import save_json
    from ecg_keras.training.config import TrainConfig

    corpus["config json"] = folder / "config.json"
    save_json(TrainConfig(), corpus["config json"])
    render_dataset(
        RenderConfig(str(folder / "maps"), 1, images=("0003",), maps=True)
    )
    corpus["map json"] = next((folder / "maps").rglob("*-0003.json"))
    render_dataset(RenderConfig(str(folder / "any"), 1, variety="any"))
    (corpus["page json"],) = [
        path
        for path in (folder / "any").glob("*.json")
        if path.with_suffix(".csv").exists()
    ]
    config = digitizing.DigitizeConfig(
        images=(str(corpus["png"]),), output_dir=str(folder), picture=False
    )
    reader = digitizing._Reader(config, folder)
    reader.digitizer = ReaderDouble()
    opened = reader.open(find_pages([corpus["png"]]))
    reader.write(reader.read(opened))
    corpus["summary json"] = folder / "png.json"


def _write_models(folder, corpus):
    root = Path(__file__).parents[1]
    corpus["keras"] = next((root / "tests" / "data").glob("*.keras"))
    weights = sorted((root / "ecg_keras" / "weights").glob("*frame*.npz"))
    if weights:
        corpus["weights npz"] = weights[0]


def print_table(rows):
    """A line for each kind, then each bug once, with its seeds."""
    print("| kind | files | read | doubtful | InputError | bugs | s | MB |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    kinds = [k for k in (*IMAGES, *OTHERS) if k in {r["kind"] for r in rows}]
    for kind in [*kinds, None]:
        own = [row for row in rows if kind in (None, row["kind"])]
        if not own:
            continue
        counts = collections.Counter(row["answer"] for row in own)
        most_s = max(row["s"] for row in own)
        most_mb = max(row["mb"] for row in own)
        print(
            f"| {kind or 'all'} | {len(own)} | {counts['read']} | "
            f"{counts['doubtful']} | {counts['InputError']} | "
            f"{counts['bug']} | {most_s:.1f} | {most_mb} |"
        )
    bugs = collections.defaultdict(list)
    for row in rows:
        if row["answer"] == "bug":
            bugs[row["kind"], row["said"].split("\n")[0][:120]].append(
                row["seed"]
            )
    for (kind, said), seeds in bugs.items():
        print(f"{kind}: {said}: {len(seeds)}, as seed {seeds[0]}")


if __name__ == "__main__":
    main()

"""What goes wrong in an archive, and what it costs: rows lost, rows doubled,
failures without a name. All must be 0.

    python -m benchmarks.faults --pages 300 --kills 30 --output-dir DIR

The reader is `reader_double.SlowDouble`: the faults are of files, processes and
disks, not of networks. Five of a hundred files are broken, in ten ways. Killed
are the run and all its workers, at random moments, with SIGKILL; each time the
run is started again. The full disk is a tmpfs, for which the program must be
root; else that part is left out, which it says.
"""

import argparse
import functools
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from reportlab.lib import pdfencrypt
from reportlab.pdfgen import canvas

from benchmarks import interruptions
from benchmarks.interruptions import finish, full_disk, kill_and_go_on
from ecg_keras.archive.check import contents_of
from ecg_keras.documents.failures import printable

KINDS = (
    "cut off", "zero bytes", "wrong ending", "bomb", "folder", "pipe",
    "no permission", "password", "damaged page", "name not UTF-8",
)  # fmt: skip
# These can be read: a picture of another kind than its ending says, a file of
# an odd name, and all but one page of a PDF.
READABLE = ("wrong ending", "name not UTF-8")
N_PDF_PAGES = 50
_RUN = """
import sys
from benchmarks.reader_double import SlowDouble
from ecg_keras.archive.command import ArchiveConfig, archive
flags = () if sys.argv[3] == "0" else (
    "--direct_running_mode=multi_processing",
    f"--direct_num_workers={sys.argv[3]}",
)
flags = flags or ("--direct_running_mode=in_memory",)
archive(
    ArchiveConfig(
        input=(sys.argv[1],), output=sys.argv[2], files_a_shard=8,
        other_flags=flags,
    ),
    SlowDouble,
)
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=300)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--processes", type=int, default=0)
    parser.add_argument("--output-dir", required=True)
    flags = parser.parse_args()
    folder = Path(flags.output_dir)
    listed, expected = write_pages(folder / "pages", flags.pages)
    print("| fault | pages | rows lost | rows doubled | failures unnamed |")
    print("| --- | --- | --- | --- | --- |")
    start_s = time.perf_counter()
    finish(start(listed, folder / "plain", flags.processes))
    run_s = time.perf_counter() - start_s
    report("none", folder / "plain", expected)
    begin = functools.partial(start, listed, processes=flags.processes)
    killed, full = folder / "killed", folder / "full"
    kill_and_go_on(functools.partial(begin, killed), killed, flags.kills, run_s)
    report(f"kill -9, {flags.kills} times", killed, expected)
    assert_same_rows(folder / "plain", killed)
    runs = [start(listed, folder / "two", flags.processes) for _ in range(2)]
    for run in runs:
        finish(run)
    report("two runs at once", folder / "two", expected)
    assert_same_rows(folder / "plain", folder / "two")
    if os.geteuid():
        print("the full disk was left out: it needs root")
        return
    full_disk(functools.partial(begin, full), full, "4m")
    report("full disk, then space", full, expected)
    assert_same_rows(folder / "plain", full)


def write_pages(folder, n_pages):
    """Write pages, 5 % of them broken, and say what is to come of them.

    Returns:
        (@LIST, expected): a list of the files, and a dict: (path, page) -> True
        if it can be read, False if it must fail, None if either is right.
    """
    folder.mkdir(parents=True)
    expected = {}
    n_broken = max(n_pages // 20, len(KINDS))
    for index in range(n_pages - n_broken):
        path = folder / f"{index:05d}.png"
        picture(index).save(path)
        expected[str(path), 1] = True
    for index in range(n_broken):
        kind = KINDS[index % len(KINDS)]
        expected |= write_broken(folder, kind, n_pages + index)
    paths = dict.fromkeys(path for path, _ in expected)
    names = [str(folder)]
    # A folder gives ordinary files with the endings of pages; the rest by name.
    names += [p for p in paths if not Path(p).suffix == ".png"]
    names += [p for p in paths if Path(p).is_fifo()]
    listed = folder.with_suffix(".txt")
    listed.write_text("\n".join(names) + "\n", encoding="utf-8")
    return f"@{listed}", expected


def write_broken(folder, kind, seed):
    """Write one broken file; returns what `write_pages` says of it."""
    path = folder / f"{kind.replace(' ', '_')}_{seed}.png"
    if kind == "cut off":
        picture(seed).save(path)
        path.write_bytes(path.read_bytes()[:-2000])
    elif kind == "zero bytes":
        path.touch()
    elif kind == "wrong ending":
        picture(seed).save(path, format="JPEG")
    elif kind == "bomb":
        Image.new("1", (40_000, 40_000)).save(path)
    elif kind == "folder":
        # It is walked, and holds no page.
        path.mkdir()
        return {}
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "no permission":
        picture(seed).save(path)
        path.chmod(0)
        return {(str(path), 1): None if not os.geteuid() else False}
    elif kind in ("password", "damaged page"):
        path = path.with_suffix(".pdf")
        write_pdf(path, kind)
        if kind == "damaged page":
            damage(path)
            pages = range(1, N_PDF_PAGES + 1)
            return {(str(path), page): None for page in pages}
    else:
        name = os.fsencode(folder) + b"/caf\xe9_%d.png" % seed
        picture(seed).save(os.fsdecode(name))
        return {(printable(os.fsdecode(name)), 1): True}
    return {(str(path), 1): kind in READABLE}


def picture(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (50, 70, 3), np.uint8)
    return Image.fromarray(pixels)


def write_pdf(path, kind):
    encrypt = None
    if kind == "password":
        encrypt = pdfencrypt.StandardEncryption("secret")
    sheet = canvas.Canvas(str(path), encrypt=encrypt, pageCompression=0)
    for number in range(N_PDF_PAGES if kind == "damaged page" else 1):
        sheet.drawString(100, 100, f"page {number}")
        sheet.showPage()
    sheet.save()


def damage(path):
    """Take a page's object out of a PDF."""
    data = path.read_bytes()
    at = [n for n in range(len(data)) if data.startswith(b"/Type /Page\n", n)]
    place = at[len(at) // 2]
    path.write_bytes(data[:place] + b"/Type /None\n" + data[place + 12 :])


def start(listed, output, processes):
    """A run of `archive`."""
    arguments = "-c", _RUN, listed, str(output), str(processes)
    return interruptions.start(arguments)


def report(fault, output, expected):
    """Print a line; ends the program where a figure is not 0."""
    contents = contents_of(str(output))
    assert not contents.damaged, contents.damaged
    failures, keys = rows_of(output, "failures"), set()
    for table in (rows_of(output, "readings"), failures):
        keys |= set(zip(table["path"], table["page"], strict=True))
    lost = set(expected) - keys
    named = failures["reason"].str.len() > 0
    failed = set(zip(failures["path"], failures["page"], strict=True))
    must_fail = {key for key, good in expected.items() if good is False}
    unnamed = int((~named).sum()) + len(must_fail - failed - lost)
    print(
        f"| {fault} | {len(expected)} | {len(lost)} | "
        f"{len(contents.doubled)} | {unnamed} |",
        flush=True,
    )
    good = {key for key, good in expected.items() if good}
    assert not lost and not contents.doubled and not unnamed, lost
    assert not good & failed, good & failed


def rows_of(output, table):
    return pd.read_parquet(output / table).drop(columns="seconds")


def assert_same_rows(output, other):
    for name in ("readings", "failures"):
        tables = [
            rows_of(folder, name).sort_values(["path", "page"])
            for folder in (output, other)
        ]
        first, second = (table.reset_index(drop=True) for table in tables)
        pd.testing.assert_frame_equal(first, second)


if __name__ == "__main__":
    main()

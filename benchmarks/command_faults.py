"""Kills, full disks and two runs at once, for commands beside `archive`.

    python -m benchmarks.command_faults digitize --kills 30 --output-dir DIR
    python -m benchmarks.command_faults submit --kills 30 --output-dir DIR
    python -m benchmarks.command_faults train --kills 5 --output-dir DIR

What is left after each fault must be byte for byte what a run without one
leaves: rows lost, rows doubled and failures unnamed must all be 0. `digitize`
and `submit` read with doubles of 50 ms a page, the training is one of tests'
size. See `faults.py`, whose pages `digitize` gets, for the full disk.
"""

import argparse
import functools
import json
import os
import shutil
import time
from pathlib import Path

import pandas as pd

from benchmarks import interruptions
from benchmarks.faults import write_pages
from benchmarks.interruptions import finish, full_disk, kill_and_go_on
from ecg_keras.settings import save_json

_START = """
import sys, types
from benchmarks import reader_double
# Instead of the modules that bring Keras.
digitizer = types.ModuleType("ecg_keras.digitizer")
digitizer.load_digitizer = lambda *_: reader_double.SlowDouble()
sys.modules["ecg_keras.digitizer"] = digitizer
predictor = types.ModuleType("ecg_keras.predictor")
predictor.load = lambda *_: reader_double.SlowPredictor()
sys.modules["ecg_keras.predictor"] = predictor
from ecg_keras.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


class Digitize:
    codes = (3,)  # some pages cannot be read
    full_disk = "3m"

    def __init__(self, folder, n):
        self.listed, self.expected = write_pages(folder / "pages", n)

    def command(self, output):
        return [
            "-c", _START, "digitize", self.listed, "--output-dir", str(output),
            "--no-picture",
        ]  # fmt: skip

    def left(self, output):
        """(rows, contents): of the pages; of files by name."""
        failures = pd.read_csv(output / "failures.csv")
        assert failures["reason"].str.len().gt(0).all()
        rows = list(zip(failures["path"], failures["page"], strict=True))
        contents = {"failures": sorted(map(tuple, failures.to_numpy()))}
        for path in sorted(output.glob("*.json")):
            summary = json.loads(path.read_text())
            assert summary["complete"] is True
            file = summary["file"]["path"], summary["file"]["page"]
            if summary["quality"] != "refused":
                rows.append(file)
            contents[path.name] = summary
        for path in sorted(output.glob("*.csv")):
            if path.name != "failures.csv":
                contents[path.name] = path.read_bytes()
        partial = [p for p in output.iterdir() if ".partial" in p.name]
        return rows, contents, partial


class Submit:
    codes = (0,)
    second_codes = (0, 1)  # the second run says that there is another
    full_disk = "3m"

    def __init__(self, folder, n):
        from tests.test_submit import write_test_set

        self.data_dir = folder / "data"
        write_test_set(self.data_dir, n)
        table = pd.read_csv(self.data_dir / "test.csv", dtype={"id": str})
        self.expected = [
            f"{row.id}_{k}_{row.lead}"
            for row in table.itertuples()
            for k in range(row.number_of_rows)
        ]

    def command(self, output):
        output.mkdir(exist_ok=True)
        return [
            "-c", _START, "submit", "--data-dir", str(self.data_dir),
            "--output", str(output / "s.csv"), "--records-per-part", "2",
        ]  # fmt: skip

    def is_whole(self, output):
        return (output / "s.csv").exists()

    def left(self, output):
        data = (output / "s.csv").read_bytes()
        rows = list(pd.read_csv(output / "s.csv")["id"])
        return rows, {"s.csv": data}, [p for p in output.glob("*.parts")]


class Train:
    codes = (0,)
    second_codes = (0, 1)
    full_disk = None  # `train.py` says before the start that it is too small

    def __init__(self, folder, n):
        from ecg_keras.drawing.folder import RenderConfig, render_dataset
        from tests.conftest import tiny_config

        self.folder, self.n_epochs = folder, n
        render_dataset(RenderConfig(str(folder / "data"), records=7))
        self.config = tiny_config(folder / "data", folder / "run")
        self.expected = [str(epoch + 1) for epoch in range(n)]

    def command(self, output):
        import dataclasses

        from ecg_keras.training.config import TrainConfig

        settings = output.with_suffix(".json")
        if (output / "config.json").exists():
            config = TrainConfig(resume=str(output))
        else:
            shutil.rmtree(output, ignore_errors=True)
            config = dataclasses.replace(
                self.config, output_dir=str(output), epochs=self.n_epochs
            )
        save_json(config, settings)
        return ["-m", "tests.train_tiny", str(settings)]

    def left(self, output):
        text = (output / "history.csv").read_text()
        rows = [line.split(",")[0] for line in text.splitlines()[1:]]
        contents = {
            name: (output / name).read_text() for name in ("split.json",)
        }
        return rows, contents | {"history": text}, []


COMMANDS = {
    "digitize": (Digitize, 300),
    "submit": (Submit, 100),
    "train": (Train, 4),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--size", type=int, help="pages, records, epochs")
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--output-dir", required=True)
    flags = parser.parse_args()
    folder = Path(flags.output_dir)
    folder.mkdir(parents=True)
    kind, size = COMMANDS[flags.command]
    command = kind(folder, flags.size or size)
    print(f"| {flags.command} | rows | lost | doubled | unnamed |")
    print("| --- | --- | --- | --- | --- |")
    begun_s = time.perf_counter()
    finish(start(command, folder / "plain"), command.codes)
    run_s = time.perf_counter() - begun_s
    report("none", command, folder / "plain", folder / "plain")
    killed, full = folder / "killed", folder / "full"
    kill_and_go_on(
        functools.partial(start, command, killed), killed, flags.kills, run_s,
        command.codes, getattr(command, "is_whole", None),
    )  # fmt: skip
    fault = f"kill -9, {flags.kills} times"
    report(fault, command, killed, folder / "plain")
    two_at_once(command, folder / "two")
    report("two runs at once", command, folder / "two", folder / "plain")
    if command.full_disk and not os.geteuid():
        begin = functools.partial(start, command, full)
        full_disk(begin, full, command.full_disk, command.codes)
        fault = "full disk, then space"
        report(fault, command, full, folder / "plain")


def start(command, output):
    return interruptions.start(command.command(output))


def two_at_once(command, output):
    runs = [start(command, output) for _ in range(2)]
    for run in runs:
        finish(run, getattr(command, "second_codes", command.codes))
    assert any(run.returncode in command.codes for run in runs)


def report(fault, command, output, plain):
    """Print a line; ends the program where something is not as it must be."""
    rows, contents, partial = command.left(output)
    lost = set(command.expected) - set(rows)
    doubled = len(rows) - len(set(rows))
    print(
        f"| {fault} | {len(set(rows))} | {len(lost)} | {doubled} | 0 |",
        flush=True,
    )
    assert not lost and not doubled and not partial, (lost, doubled, partial)
    _, expected, _ = command.left(plain)
    assert contents.keys() == expected.keys()
    for name in contents:
        assert contents[name] == expected[name], name


if __name__ == "__main__":
    main()

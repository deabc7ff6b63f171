"""Many pages by some processes: order, what dies, what is left of a kill."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from ecg_keras.ecg.digitized import REFUSED
from ecg_keras.errors import InputError
from ecg_keras.reading_processes import (
    FEWEST_PAGES,
    MOST_PROCESSES,
    ReadingProcesses,
    in_turn,
    n_processes,
)

WAIT_S = 60
PAPER = np.full((300, 400, 3), 250, np.uint8)


class Deadly:
    """No process that is sent it lives on."""

    def __reduce__(self):
        return os._exit, (1,)


def test_answers_come_in_the_order_of_their_items():
    later = threading.Event()

    def do(item):
        # The first is done last.
        assert item or later.wait(WAIT_S)
        later.set()
        return item

    assert list(in_turn(do, range(5), 2)) == list(range(5))


def test_some_are_done_at_once():
    meeting = threading.Barrier(2, timeout=WAIT_S)

    def do(item):
        meeting.wait()
        return item

    assert list(in_turn(do, range(6), 2)) == list(range(6))


def test_few_items_are_taken_ahead():
    taken = []

    def items():
        for item in range(9):
            taken.append(item)
            yield item

    answers = in_turn(lambda item: item, items(), 3)
    for given in range(7):
        assert next(answers) == given
        assert len(taken) == given + 3


@pytest.mark.parametrize("n_threads", [1, 2])
def test_items_are_taken_in_the_thread_that_asks(n_threads):
    threads = set()

    def items():
        for _ in range(4):
            yield threads.add(threading.current_thread())

    list(in_turn(lambda item: item, items(), n_threads))
    assert threads == {threading.current_thread()}


def test_what_fails_is_raised_in_its_turn_and_ends_it():
    done = []

    def do(item):
        if item == 1:
            raise ValueError(item)
        done.append(item)
        return item

    answers = in_turn(do, range(100), 2)
    assert next(answers) == 0
    with pytest.raises(ValueError, match="1"):
        next(answers)
    assert len(done) < 6


def test_one_process_reads_few_pages_and_one_each_core_many(monkeypatch):
    monkeypatch.setattr("ecg_keras.reading_processes.n_cores", lambda: 2)
    assert n_processes(FEWEST_PAGES - 1) == 1
    assert n_processes(FEWEST_PAGES) == 2
    assert n_processes(FEWEST_PAGES, asked=1) == 1
    assert n_processes(3, asked=2) == 2
    assert n_processes(0, asked=2) == 1
    monkeypatch.setattr("ecg_keras.reading_processes.n_cores", lambda: 64)
    assert n_processes(1000) == MOST_PROCESSES


@pytest.mark.slow
def test_a_picture_that_kills_its_process_is_told_of_and_stops_no_other():
    reader = ReadingProcesses(None, 2)
    with ThreadPoolExecutor(3) as threads:
        good = [threads.submit(reader.read, PAPER) for _ in range(2)]
        deadly = threads.submit(reader.read, Deadly())
        for read in good:
            assert read.result(WAIT_S).digitized.quality == REFUSED
        with pytest.raises(InputError, match="died"):
            deadly.result(WAIT_S)
    assert reader.read(PAPER).digitized.quality == REFUSED
    assert reader.count == 1


_READS = """
import multiprocessing
import sys
import time
import numpy as np
from ecg_keras.predictor import PagePredictor
from ecg_keras.reading_processes import ReadingProcesses
if __name__ == "__main__":
    reader = PagePredictor(ReadingProcesses(None, 1))
    reader.read([np.full((300, 400, 3), 250, np.uint8)])
    print(multiprocessing.active_children()[0].pid, flush=True)
    time.sleep(float(sys.argv[1]))
"""


@pytest.mark.slow
def test_no_process_outlives_a_command_that_was_killed(tmp_path):
    script = tmp_path / "reads.py"
    script.write_text(_READS)
    with subprocess.Popen(
        [sys.executable, str(script), "100"],
        stdout=subprocess.PIPE,
        text=True,
    ) as command:
        child = int(command.stdout.readline())
        assert _runs(child)
        command.send_signal(signal.SIGKILL)
    until = time.monotonic() + WAIT_S
    while _runs(child) and time.monotonic() < until:
        time.sleep(0.1)
    assert not _runs(child)


@pytest.mark.slow
def test_python_ends_without_a_word(tmp_path):
    script = tmp_path / "reads.py"
    script.write_text(_READS)
    done = subprocess.run(
        [sys.executable, str(script), "0"],
        capture_output=True,
        text=True,
        timeout=2 * WAIT_S,
        check=True,
    )
    assert "Exception" not in done.stderr
    assert not _runs(int(done.stdout))


def _runs(pid):
    """Whether a process is there and no zombie."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False

"""Runs of commands that are killed, or whose disk is full, and go on."""

import os
import random
import shutil
import signal
import subprocess
import sys


def start(arguments):
    """Python with some arguments, in a group of processes of its own."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(run, codes=(0,)):
    _, said = run.communicate(timeout=3600)
    assert run.returncode in codes, said[-3000:]


def kill_and_go_on(begin, output, kills, run_s, codes=(0,), is_whole=None):
    """Kill runs so many times, at random moments; then finish the last.

    Args:
        begin: starts a run, or goes on with it: a `subprocess.Popen`.
        output: folder that it writes.
        kills: how many times.
        run_s: seconds that a whole run takes.
        codes: what a whole run ends with.
        is_whole: tells that there is nothing to go on with; never by default.
    """
    rng, killed = random.Random(0), 0
    while killed < kills:
        run = begin()
        try:
            _, said = run.communicate(timeout=rng.uniform(0.2, 1.0) * run_s)
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
            run.communicate()
            killed += 1
            continue
        whole = is_whole is not None and is_whole(output)
        assert run.returncode in codes or whole, said[-3000:]
        # It was whole before its moment came: another run is begun.
        shutil.rmtree(output)
    if is_whole is None or not is_whole(output):
        finish(begin(), codes)


def full_disk(begin, output, size, codes=(0,)):
    """A run on a disk that is too small, which is then enlarged.

    Args:
        begin, output, codes: see `kill_and_go_on`.
        size: of the disk at first, as `mount` takes it.
    """
    output.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs"]
    subprocess.run([*mount, str(output)], check=True)
    copied = output.with_name("copied")
    try:
        run = begin()
        _, said = run.communicate(timeout=3600)
        assert run.returncode == 1 and "No space left" in said, said[-3000:]
        larger = ["mount", "-o", "remount,size=4g", str(output)]
        subprocess.run(larger, check=True)
        finish(begin(), codes)
        shutil.copytree(output, copied)
    finally:
        subprocess.run(["umount", str(output)], check=True)
    output.rmdir()
    copied.rename(output)

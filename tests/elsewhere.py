"""Training in a process of its own, which may be killed."""

import os
import subprocess
import sys
from pathlib import Path

from ecg_keras.settings import save_json


def start_elsewhere(configs, folder, env=None, kill_at_step=None):
    """Start `train_tiny`; returns a `subprocess.Popen`.

    Args:
        configs: the runs, one after the other.
        folder: where they are written for the process to read.
        env: more variables of the environment.
        kill_at_step: where it kills itself, counted from 0 over all runs.
    """
    command = [sys.executable, "-m", "tests.train_tiny"]
    for index, config in enumerate(configs):
        command.append(str(Path(folder) / f"config_{index}.json"))
        save_json(config, command[-1])
    if kill_at_step is not None:
        command += ["--kill-at-step", str(kill_at_step)]
    return subprocess.Popen(
        command,
        cwd=Path(__file__).parents[1],
        env={**os.environ, **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def train_elsewhere(*args, **kwargs):
    """As `start_elsewhere`, to the end: a `subprocess.CompletedProcess`."""
    process = start_elsewhere(*args, **kwargs)
    said = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, *said)

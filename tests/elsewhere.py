"""Training in a process of its own, which may be killed."""

import os
import subprocess
import sys
from pathlib import Path

from ecg_keras.settings import save_json


def start_elsewhere(config, config_file, env=None, kill_at_step=None):
    """Start `train_tiny`; returns a `subprocess.Popen`."""
    save_json(config, config_file)
    step = [] if kill_at_step is None else [str(kill_at_step)]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.train_tiny", config_file, *step],
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

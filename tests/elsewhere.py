"""Training in a process of its own, which may be killed."""

import os
import subprocess
import sys
from pathlib import Path

from ecg_keras.config import save_json


def train_elsewhere(config, config_file, env=None, kill_at_step=None):
    """Run `train_tiny`; returns a `subprocess.CompletedProcess`."""
    save_json(config, config_file)
    step = [] if kill_at_step is None else [str(kill_at_step)]
    return subprocess.run(
        [sys.executable, "-m", "tests.train_tiny", config_file, *step],
        cwd=Path(__file__).parents[1],
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
    )

"""Folders in the competition's layout, small enough for tests."""

import cv2
import numpy as np
import pandas as pd

from ecg_keras.ecg.leads import N_LEADS, N_SAMPLES, RATE_HZ
from ecg_keras.ecg.records import write_table
from ecg_keras.ecg.resampling import from_grid

RATES_HZ = (250, 256, 500, 512, 1000, 1025)


def write_folder(data_dir, n_records=4, types=("0001",), rates_hz=RATES_HZ):
    """Write records whose images are noise; returns their ids.

    The signals of record k are sines of k + 1 Hz: each record is another.
    """
    rng = np.random.default_rng(5)
    times_s = np.arange(N_SAMPLES) / RATE_HZ
    ids, rates = [], []
    for index in range(n_records):
        record_id = f"00{index}"
        rate_hz = rates_hz[index % len(rates_hz)]
        folder = data_dir / "train" / record_id
        phases = np.arange(N_LEADS)[:, None]
        signals_mv = np.sin(2 * np.pi * (index + 1) * times_s + phases)
        write_table(folder / f"{record_id}.csv", from_grid(signals_mv, rate_hz))
        for kind in types:
            image = rng.integers(0, 256, (34, 44, 3), np.uint8)
            cv2.imwrite(str(folder / f"{record_id}-{kind}.png"), image)
        ids.append(record_id)
        rates.append(rate_hz)
    lengths = [10 * rate for rate in rates]
    table = pd.DataFrame({"id": ids, "fs": rates, "sig_len": lengths})
    table.to_csv(data_dir / "train.csv", index=False)
    return ids

"""Pages of an archive as rows of its two tables: readings and failures."""

import numpy as np
import pyarrow

from ecg_keras.documents.failures import FAILURE_COLUMNS, REFUSED_ADVICE
from ecg_keras.ecg.digitized import REFUSED
from ecg_keras.ecg.leads import LEADS
from ecg_keras.ecg.signal_files import (
    STD_PREFIX,
    deviations_table,
    signals_table,
)
from ecg_keras.version import __version__

FAILED = "failed"
_KEY = [("path", pyarrow.string()), ("page", pyarrow.int32())]
_ORIGIN = [("sha256", pyarrow.string()), ("pages", pyarrow.int32())]
_BY = [
    ("model", pyarrow.string()),
    ("version", pyarrow.string()),
    ("seconds", pyarrow.float32()),
]
_SAMPLES = pyarrow.list_(pyarrow.float32())
# A row of the readings. `pages` is how many its file has. The columns of leads
# hold samples in mV at `rate_hz`, NaN where the page does not show the lead;
# those of deviations are what `digitize --std` writes.
READINGS = pyarrow.schema(
    [
        *_KEY,
        *_ORIGIN,
        ("layout", pyarrow.string()),
        ("speed_mm_per_s", pyarrow.float32()),
        ("gain_mm_per_mv", pyarrow.float32()),
        ("quality", pyarrow.string()),
        ("reasons", pyarrow.list_(pyarrow.string())),
        ("source", pyarrow.string()),
        ("traces_box", pyarrow.list_(pyarrow.float64())),
        ("rate_hz", pyarrow.int32()),
        *((lead, _SAMPLES) for lead in LEADS),
        *((STD_PREFIX + lead, _SAMPLES) for lead in LEADS),
        *_BY,
    ]
)
# A row of the failures; `quality` is "refused" where a picture was no page that
# can be read, else "failed".
FAILURES = pyarrow.schema(
    [
        *_KEY,
        *_ORIGIN,
        ("quality", pyarrow.string()),
        *((name, pyarrow.string()) for name in FAILURE_COLUMNS[2:]),
        *_BY,
    ]
)


def is_read(page):
    """Whether an `ArchivePage` belongs to the readings."""
    return page.failure is None and page.digitized.quality != REFUSED


def reading_row(page, rate_hz):
    """A row of the readings.

    Args:
        page: `ArchivePage` that is read.
        rate_hz: samples a second.

    Returns:
        dict with the names of `READINGS`; samples as (n,) float32.
    """
    ecg = page.digitized
    summary = ecg.summary()
    std_mv = ecg.std_mv
    if std_mv is None:
        std_mv = np.full_like(ecg.signals_mv, np.nan)
    samples = signals_table(ecg.signals_mv, rate_hz).join(
        deviations_table(std_mv, rate_hz)
    )
    names = [*LEADS, *(STD_PREFIX + lead for lead in LEADS)]
    kept = {name: summary[name] for name in READINGS.names if name in summary}
    return {
        **_common(page, summary["model"]),
        **kept,
        "rate_hz": rate_hz,
        **{name: samples[name].to_numpy(np.float32) for name in names},
    }


def failure_row(page):
    """A row of the failures: dict with the names of `FAILURES`."""
    if page.failure is not None:
        reason, advice = page.failure
        quality, model = FAILED, ""
    else:
        reason, advice = "; ".join(page.digitized.reasons), REFUSED_ADVICE
        quality, model = REFUSED, page.digitized.read_by
    return {
        **_common(page, model),
        "quality": quality,
        "reason": reason,
        "what_to_do": advice,
    }


def _common(page, model):
    return {
        "path": page.key.path,
        "page": page.key.page,
        "sha256": page.sha256,
        "pages": page.n_in_file,
        "model": model,
        "version": __version__,
        "seconds": page.seconds,
    }

"""What the row network reads where the page's place and layout are known.

    python benchmarks/known_maps.py --data-dir DIR --model MODEL

The exact maps of drawn pages stand in for all that finds a page, so that what
is left is the row network's. DIR is a folder that `render --maps` or `render
--variety any` wrote.
"""

import dataclasses
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from ecg_keras.data.pictures import load_pictures, read_on_paper
from ecg_keras.ecg.leads import RATE_HZ
from ecg_keras.ecg.metrics import record_ratio, score_db
from ecg_keras.ecg.records import (
    PageRecord,
    is_folder_of_pages,
    read_page_records,
    read_records,
    read_table,
)
from ecg_keras.ecg.resampling import from_grid
from ecg_keras.models.reading.leads_from_segments import join_segments
from ecg_keras.models.reading.likely_path import likely_path
from ecg_keras.models.reading.networks import Networks
from ecg_keras.models.reading.printed_rows import read_printed_rows
from ecg_keras.predictor import load
from ecg_keras.settings import parse_flags, run_command, setting


@dataclasses.dataclass(frozen=True)
class KnownMapsConfig:
    """Settings of benchmarks/known_maps.py."""

    data_dir: str | None = setting(None, "folder of pages with maps")
    model: str = setting("tracer", "tracer whose row network reads")
    images: tuple[str, ...] = setting(("all",), "image types", metavar="TYPE")
    records: int = setting(10, "most records")


def main():
    config = parse_flags(KnownMapsConfig, __doc__)
    if is_folder_of_pages(config.data_dir):
        records = read_page_records(config.data_dir)
    else:
        records = read_records(config.data_dir, config.images)
    pictures = load_pictures(records[: config.records])
    network = load(config.model).model.get_layer("row_network")
    networks = Networks(network, likely_path)
    ratios = defaultdict(list)
    for picture in pictures.sources:
        record = pictures.records[picture.record]
        page = pictures.pages[picture.record]
        ratio = _ratio(record, page, read_on_paper(picture), networks)
        kind = page.layout.name
        if not isinstance(record, PageRecord):
            kind = Path(picture.path).stem.rsplit("-", 1)[1]
        ratios[kind].append(ratio)
        print(f"{Path(picture.path).name:24}{score_db([ratio]):9.2f}")
    print(f"{'':24}{'pages':>6}{'score':>9}{'mean dB':>9}{'worst':>9}")
    for kind, own in sorted(ratios.items()):
        each = [score_db([ratio]) for ratio in own]
        print(
            f"{kind:24}{len(own):6}{score_db(own):9.2f}{np.mean(each):9.2f}"
            f"{min(each):9.2f}"
        )


def _ratio(record, page, place, networks):
    """The competition's ratio of a picture."""
    readings = read_printed_rows(*place, page.layout, networks)
    signals, _ = join_segments(page.layout, readings)
    signals = np.nan_to_num(signals)
    if isinstance(record, PageRecord):
        found = np.zeros_like(page.signals_mv)
        n_samples = min(found.shape[1], signals.shape[1])
        found[:, :n_samples] = signals[:, :n_samples]
        return record_ratio(page.signals_mv, found, RATE_HZ)
    table = read_table(record.signals_path, record.n_samples)
    found = from_grid(signals, record.rate_hz, like=table)
    return record_ratio(table, found, record.rate_hz)


if __name__ == "__main__":
    sys.exit(run_command(main))

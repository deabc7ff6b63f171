"""Pages of any layout scored beside their csv."""

import json
import types

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ecg_keras.commands.evaluate_pages import (
    PageScore,
    labelled_pages,
    score_pages,
    tables_of,
)
from ecg_keras.ecg.digitized import DigitizedEcg
from ecg_keras.ecg.leads import LEADS
from ecg_keras.errors import InputError

N_SAMPLES = 500


class Answers:
    """Stands for the reader: its answers in turn."""

    def __init__(self, *answers):
        self.answers = iter(answers)

    def read(self, image):
        return types.SimpleNamespace(digitized=next(self.answers))


def label_mv():
    rng = np.random.default_rng(0)
    label = np.cumsum(rng.normal(0, 0.05, (12, N_SAMPLES)), axis=1)
    label[6:] = np.nan
    return label


def write_page(folder, stem, layout=None):
    Image.new("RGB", (80, 60), "white").save(folder / f"{stem}.png")
    table = pd.DataFrame(label_mv().T, columns=LEADS)
    table.to_csv(folder / f"{stem}.csv", index=False)
    if layout:
        text = json.dumps({"layout": layout})
        (folder / f"{stem}.json").write_text(text)


def test_pages_are_pictures_with_a_csv_of_their_name(tmp_path):
    write_page(tmp_path, "a")
    (tmp_path / "alone.csv").write_text("I\n0\n")
    assert [p.name for p, _ in labelled_pages(tmp_path)] == ["a.png"]


def test_a_page_is_scored_over_what_it_shows(tmp_path):
    for stem in "abc":
        write_page(tmp_path, stem, {"name": "6x1"} if stem == "a" else None)
    noisy = label_mv() + np.random.default_rng(1).normal(0, 0.02, (12, 500))
    scores = score_pages(
        tmp_path,
        Answers(
            DigitizedEcg(label_mv()[:, :400], layout="6x2"),
            DigitizedEcg(noisy, layout="6x1", quality="doubtful"),
            DigitizedEcg(np.zeros((12, 0)), quality="refused"),
        ),
        1e6,
    )
    shorter, near, refused = scores
    assert (shorter.layout, shorter.found) == ("6x1", "6x2")
    assert near.ratio > 100 and not near.is_misread
    assert refused.ratio < 10 and not refused.is_misread
    assert refused.layout == "unknown"


def test_shares_are_of_a_layouts_pages():
    scores = [
        PageScore("a", "3x4", "3x4", "good", 1000.0, ()),
        PageScore("b", "3x4", "3x5", "doubtful", 2.0, ("x",)),
        PageScore("c", "6x1", "unknown", "refused", 1.0, ("y",)),
    ]
    pages, table = tables_of(scores)
    assert pages.loc["a", "dB"] == pytest.approx(30)
    row = table.loc["3x4"]
    assert (row["read"], row["misread"], row["refused"]) == (1.0, 0.5, 0.0)
    assert table.loc["all pages", "pages"] == 3
    assert table.loc["all pages", "refused"] == pytest.approx(1 / 3)
    assert np.isnan(table.loc["6x1", "dB read"])


def test_a_folder_without_pages_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="csv of the same name"):
        score_pages(tmp_path, None, 1e6)


def test_a_csv_without_the_twelve_leads_is_an_input_error(tmp_path):
    write_page(tmp_path, "a")
    (tmp_path / "a.csv").write_text("I,II\n0,0\n")
    with pytest.raises(InputError, match="missing columns"):
        score_pages(tmp_path, Answers(), 1e6)

"""Pictures of two pages."""

import numpy as np
import pytest

from ecg_keras.ecg.digitized import DOUBTFUL, GOOD, DigitizedEcg
from ecg_keras.page_reader import OTHER_PAGE, PageReader, PageReading
from ecg_keras.registration.other_grids import shows_other_grid
from ecg_keras.registration.register import register
from tests.grids import affine, sheet

WIDTH, HEIGHT = 660, 330
GAP = np.full((60, WIDTH, 3), 255, np.uint8)


def page(degrees=0.0):
    return sheet(affine(4.2, 4.2, degrees), HEIGHT, WIDTH)


def blots():
    """As large as a page, and no grid."""
    rng = np.random.default_rng(3)
    image = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    for top, left in rng.integers(0, (HEIGHT - 9, WIDTH - 40), (200, 2)):
        image[top : top + 3, left : left + rng.integers(3, 40)] = 20
    return image


@pytest.mark.parametrize(
    ("other", "is_other"),
    [(page(2.0), True), (blots(), False), (page()[:90], False)],
    ids=["page", "text", "strip"],
)
@pytest.mark.parametrize("below", [False, True])
def test_another_pages_grid_is_seen_beside_one(other, is_other, below):
    parts = [page(), GAP, other]
    image = np.concatenate(parts if below else parts[::-1])
    found = register(image)
    assert found.paper_map is not None
    assert shows_other_grid(image, found, register) == is_other


def test_a_page_beside_another_is_doubtful(monkeypatch):
    image = np.concatenate([page(), GAP, page(2.0)])
    nothing = np.zeros((12, 0), np.float32)
    reader = PageReader(None, register)
    monkeypatch.setattr(
        reader,
        "read_registered",
        lambda *_: PageReading(DigitizedEcg(nothing, quality=GOOD)),
    )
    digitized = reader.read(image).digitized
    assert (digitized.quality, digitized.reasons) == (DOUBTFUL, (OTHER_PAGE,))
    assert reader.read(page()).digitized.quality == GOOD

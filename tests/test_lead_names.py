"""Names of leads: found on a page, and set beside where leads may be."""

import numpy as np
import pytest
from keras import ops

from ecg_keras.data.name_batches import (
    N_CELLS,
    PART_PX,
    example,
    load_ink_pages,
    name_batches,
)
from ecg_keras.data.pictures import load_pictures
from ecg_keras.drawing.canvas import Canvas
from ecg_keras.drawing.name_stamps import SPELLINGS, random_stamp
from ecg_keras.drawing.page_text import (
    FONT_FAMILIES,
    Font,
    Text,
    scales_at_mm,
    write,
)
from ecg_keras.ecg.leads import LEADS
from ecg_keras.ecg.records import read_page_records
from ecg_keras.models.layout.known_layouts import ANY
from ecg_keras.models.layout.lead_names import (
    PART_PX as READ_PX,
)
from ecg_keras.models.layout.lead_names import (
    Names,
    find_names,
    names_in,
    written_scales,
)
from ecg_keras.models.layout.name_classes import CLASSES, SCALES
from ecg_keras.models.layout.name_network import build_name_network
from ecg_keras.models.layout.straight_page import StraightPage
from ecg_keras.training.losses import NameLoss
from tests.found_names import named

ROWS = (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"),
        ("III", "aVF", "V3", "V6"))  # fmt: skip


def cells_of(names, shape):
    """Logits that are sure of some names, {(y, x): lead}."""
    logits = np.zeros((*shape, len(CLASSES)), np.float32)
    logits[..., 0] = 6.0
    for (y, x), lead in names.items():
        logits[y, x, 0] = 0.0
        logits[y, x, CLASSES.index(lead)] = 6.0
    return logits


def test_the_network_tells_a_class_for_each_mm():
    network = build_name_network()
    logits = network.predict_on_batch(np.zeros((1, 64, 96, 1), np.uint8))
    assert logits.shape == (1, 16, 24, len(CLASSES))
    assert set(CLASSES) == {"none", *LEADS, "other", *SCALES}


def test_names_are_the_middles_of_cells_that_agree():
    block = {(5, 7): "V1", (5, 8): "V1", (6, 7): "V1", (6, 8): "V1"}
    found = names_in(cells_of({**block, (20, 3): "aVR"}, (30, 30)))
    likely = [CLASSES[int(np.argmax(shares))] for *_, shares in found]
    assert likely == ["V1", "aVR"]
    assert found[0][:2] == pytest.approx((8.0, 6.0), abs=0.3)
    assert found[1][:2] == pytest.approx((3.5, 20.5), abs=0.3)
    assert all(shares.max() > 0.9 for *_, shares in found)
    assert not names_in(cells_of({}, (30, 30)))


class Marks:
    """A network that reads a pixel's value as the class of its cell."""

    def predict_on_batch(self, ink):
        value = ink[..., 0].reshape(1, len(ink[0]) // 4, 4, -1, 4)
        value = value.max(axis=(2, 4)).round().astype(int)
        return 12.0 * (value[..., None] == np.arange(len(CLASSES)))


def test_names_are_found_where_they_stand_on_the_paper():
    """Also where parts of the page meet, each once."""
    ink = np.zeros((900, 1400), np.float32)
    inner = READ_PX - 64
    at = {(100, 200): "II", (inner - 2, inner + 2): "V5", (890, 1390): "aVF"}
    for (y, x), lead in at.items():
        ink[y, x] = CLASSES.index(lead) / 255
    page = StraightPage((-10.0, 5.0), ink, ink, ink > -1)
    found = find_names(page, Marks())
    assert sorted(name.lead for name in found) == sorted(at.values())
    for name in found:
        (y, x) = next(place for place, lead in at.items() if lead == name.lead)
        assert name.x_mm == pytest.approx(-10 + x / 4, abs=0.75)
        assert name.y_mm == pytest.approx(5 + y / 4, abs=0.75)


def _printed(rows, right_mm, below_mm, column_mm=60.0):
    leads, at_mm = [], []
    for k, row in enumerate(rows):
        for column, lead in enumerate(row):
            leads.append(lead)
            at_mm.append((15 + column_mm * column, 30 + 25.0 * k))
    names = [
        named(lead, x + right_mm, y + below_mm)
        for lead, (x, y) in zip(leads, at_mm, strict=True)
    ]
    return leads, at_mm, names


@pytest.mark.parametrize("way", [(4.0, -8.0), (-9.0, 0.0), (3.0, 6.0)])
def test_names_stand_the_same_way_beside_all_leads(way):
    leads, at_mm, names = _printed(ROWS, *way)
    # A header's words are read as names, too.
    noise = [named("I", 90.0, 2.0, 0.8), named("V1", 18.0, 41.0, 0.6)]
    beside = Names([*noise, *names]).beside(leads, at_mm)
    assert beside == names


def test_another_leads_name_is_found_beside_a_lead():
    leads, at_mm, names = _printed(ROWS, 4.0, -8.0)
    swapped = list(leads)
    swapped[0], swapped[4] = swapped[4], swapped[0]
    beside = Names(names).beside(swapped, at_mm)
    wrong = [
        lead
        for lead, name in zip(swapped, beside, strict=True)
        if lead != name.lead
    ]
    assert sorted(wrong) == ["I", "II"]


def test_names_of_which_none_is_right_tell_against_leads():
    leads, at_mm, names = _printed((("V4",), ("V5",), ("V6",)), 4.0, -8.0)
    beside = Names(names).beside(["I", "II", "III"], at_mm)
    assert beside == names
    assert Names(names).beside(leads, at_mm) == names


def test_a_strip_takes_any_name_and_a_lead_turned_over_its_own():
    leads, at_mm, names = _printed((*ROWS, ("V1",)), 4.0, -8.0)
    of_any = ["-aVR" if lead == "aVR" else lead for lead in leads[:-1]]
    beside = Names(names).beside([*of_any, ANY], at_mm)
    assert beside == names


def test_rows_with_a_name_at_their_beginning_are_rows_of_traces():
    _, at_mm, names = _printed(((*ROWS[0],), ("V1",), ("II",)), 4.0, -8.0)
    begin_mm = [at_mm[0], at_mm[-2], at_mm[-1], (15.0, 110.0)]
    # The first is read as I, as strokes are; a word stands at the last.
    found = Names([*names, named("V3", 60.0, 109.0)])
    assert found.named_rows(begin_mm) == {1, 2}
    assert Names().named_rows(begin_mm) == set()


def test_without_names_nothing_stands_beside_leads():
    leads, at_mm, _ = _printed(ROWS, 0, 0)
    assert Names().beside(leads, at_mm) == [None] * 12


def test_each_spelling_of_a_lead_is_printed_in_some_ink():
    assert set(SPELLINGS) == set(LEADS)
    rng = np.random.default_rng(2)
    for lead in (*CLASSES[1:], None):
        for _ in range(6):
            stamp, middle = random_stamp(rng, lead)
            assert stamp.max() > 0.9 and stamp.min() >= 0
            assert 15 < stamp.shape[0] < 100
            assert 0 < middle < stamp.shape[1]


@pytest.mark.parametrize("family", FONT_FAMILIES)
def test_a_scale_is_where_its_number_ends(family):
    words = "0.5-40 Hz  12.5 mm/sec, 10.0mm/mV"
    text, px_per_mm = Text(20.0, 100.0, words, Font(family, 4)), 8
    (speed, x_mm, y_mm), (gain, *_) = scales_at_mm(
        text, 4 * px_per_mm, px_per_mm
    )
    assert (speed, gain) == ("12.5 mm/s", "10 mm/mV")
    assert 98 < y_mm < 99
    ends = []
    for words in (text.text[:15], text.text):
        canvas = Canvas(np.full((400, 1400, 3), 255, np.uint8))
        at = text.x_mm * px_per_mm, 300
        write(canvas, *at, words, text.font, 4 * px_per_mm, 0.0)
        seen = np.flatnonzero(canvas.image()[..., 0].min(axis=0) < 128)
        ends.append(seen.max() / px_per_mm)
    assert text.text[:15].endswith("12.5")
    # OpenCV 4 counts the space after a letter, too; a cell is a mm.
    assert x_mm == pytest.approx(ends[0], abs=0.9)
    assert ends[1] > x_mm + 10


def test_pages_tell_what_is_written_of_their_scale(any_pages_dir):
    told = set()
    for record in read_page_records(any_pages_dir):
        layout = load_pictures([record]).pages[0].layout
        gains = {f"{row.gain_mm_per_mv:g} mm/mV" for row in layout.rows}
        for words, *_ in layout.scales_at_mm:
            assert words in {f"{layout.speed_mm_per_s:g} mm/s", *gains}
            told.add(words)
    assert told


def scale(word, x_mm, y_mm=190.0, likely=0.75):
    return named(word, x_mm, y_mm, likely)


@pytest.mark.parametrize(
    ("words", "speeds", "gains"),
    [
        ([scale("50 mm/s", 20), scale("10 mm/mV", 35)], (50.0,), (10.0,)),
        ([scale("5 mm/mV", 20), scale("12.5 mm/s", 40)], (12.5,), (5.0,)),
        # On other lines, or alone: other words, misread.
        ([scale("50 mm/s", 20), scale("10 mm/mV", 35, 184.0)], (), ()),
        ([scale("20 mm/mV", 20)], (), ()),
        ([scale("50 mm/s", 20), scale("10 mm/mV", 95)], (), ()),
        ([scale("50 mm/s", 20), scale("10 mm/mV", 35, likely=0.65)], (), ()),
        # As in "25 mm/s 10 mm/mV 5 mm/sqr", and of limb and chest leads.
        (
            [
                scale("25 mm/s", 20),
                scale("5 mm/mV", 50),
                scale("10 mm/mV", 35),
            ],
            (25.0,),
            (10.0,),
        ),
        (
            [
                scale("25 mm/s", 20),
                scale("5 mm/mV", 50, likely=0.9),
                scale("10 mm/mV", 35),
            ],
            (25.0,),
            (5.0, 10.0),
        ),
    ],
)
def test_a_speed_and_a_gain_are_written_side_by_side(words, speeds, gains):
    words = [*words, named("V1", 20.0, 190.0)]
    assert written_scales(words) == (speeds, gains)
    # They are no leads' names.
    assert [name.lead for name in Names(words).found] == ["V1"]


@pytest.fixture(scope="module")
def pages(any_pages_dir):
    return load_ink_pages(read_page_records(any_pages_dir))


def test_parts_are_a_function_of_their_position(pages):
    one, two = (example(pages, 3, 11) for _ in range(2))
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_array_equal(one[1], two[1])
    assert (example(pages, 3, 12)[0] != one[0]).any()


def test_there_is_ink_where_a_target_tells_a_name(pages):
    n_names = 0
    for position in range(40):
        ink, target = example(pages, 5, position)
        assert ink.shape == (PART_PX, PART_PX, 1) and ink.dtype == np.uint8
        assert target.shape == (N_CELLS, N_CELLS)
        typical = np.median(ink)
        for y, x in np.argwhere(target > 0):
            near = ink[max(4 * y - 8, 0) : 4 * y + 12, max(4 * x - 8, 0) :][
                :, :20
            ]
            assert near.max() > typical + 10
            n_names += 1
    assert n_names > 200


def test_batches_go_on_where_an_epoch_ended(pages):
    def inks(first_epoch, n):
        batches = name_batches(pages, 2, 2, 7, first_epoch)
        return [ink.numpy() for ink, _ in batches.take(n)]

    np.testing.assert_array_equal(inks(0, 4)[2], inks(1, 1)[0])


def test_what_is_not_to_be_learnt_costs_nothing():
    target = np.zeros((1, 4, 4), np.float32)
    target[0, 0, 0], target[0, 1] = 3, np.nan
    logits = np.zeros((1, 4, 4, len(CLASSES)), np.float32)
    loss = NameLoss(name_weight=10.0)
    told = float(ops.convert_to_numpy(loss.call(target, logits))[0])
    # 11 cells without a name, one with: each as unsure as can be.
    assert told == pytest.approx((11 + 10) * np.log(len(CLASSES)) / 16)
    logits[0, 1, :, 5] = 40.0
    again = float(ops.convert_to_numpy(loss.call(target, logits))[0])
    assert again == pytest.approx(told)


def test_a_column_is_where_names_of_most_of_its_leads_are():
    """Strokes are read as names, too: the same one again and again."""
    column = [named(lead, 20.0 + k, 30.0 * k) for k, lead in enumerate(ROWS[0])]
    strokes = [named("I", 90.0 + 0.1 * k, 10.0 * k) for k in range(6)]
    assert Names([*strokes, *column]).x_of(ROWS[0]) == pytest.approx(21.5)
    assert Names(strokes).x_of(ROWS[0]) is None
    # The picture's edge, as it is read at three rows.
    leads = "I", "II", "III"
    edge = [named(lead, 132.0, 30.0 * k, 0.5) for k, lead in enumerate(leads)]
    assert Names(edge).x_of(leads) is None
    assert Names().x_of(ROWS[0]) is None


def test_names_lie_where_the_paper_is_stretched():
    names = Names([named("V1", 110.0, 30.0)]).stretched(10.0, 1.25)
    assert names.found[0].x_mm == pytest.approx(90.0)

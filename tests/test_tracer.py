"""The tracer: its steps against exact answers, and the model in the package."""

import cv2
import numpy as np
import pytest
from keras import ops

from ecg_keras import load
from ecg_keras.drawing.clean_page import Header, Style, render_page
from ecg_keras.drawing.image_types import degrade
from ecg_keras.ecg.leads import (
    LEADS,
    N_SAMPLES,
    einthoven_residual_mv,
    printed_mask,
)
from ecg_keras.ecg.metrics import record_ratio
from ecg_keras.ecg.resampling import from_grid
from ecg_keras.ecg.synthesis import simulate
from ecg_keras.errors import InputError
from ecg_keras.models.reading.decoding import (
    LEAST_STD_MV,
    SMOOTHNESS,
    TAUGHT_BINS,
    _best_scores,
    read_out,
    read_rows,
)
from ecg_keras.models.reading.leads_from_rows import (
    join_rows,
    lead_ii_difference,
)
from ecg_keras.models.registration.flat_page import (
    fit_affine,
    refine,
    to_picture,
)
from ecg_keras.models.tracer import sample
from ecg_keras.page.cells import UNIT_PX, cell_centres_px
from ecg_keras.page.layouts import OTHERS
from ecg_keras.page.paper import PAGE_HEIGHT_PX, PAGE_WIDTH_PX
from ecg_keras.page.row_images import (
    BIN_MV,
    MARGIN_SAMPLES,
    N_BINS,
    REACH_MV,
    SAMPLES_IN_STRIP,
    bins_mv,
    row_signals,
)
from ecg_keras.training.losses import TraceLoss, trace_entropy, trace_snr_db

RATE_HZ = 500

pytestmark = pytest.mark.filterwarnings(
    # TensorFlow's own use of NumPy.
    "ignore::DeprecationWarning",
)


def _numpy(x):
    return ops.convert_to_numpy(x)


def _tensor(x):
    return ops.convert_to_tensor(np.asarray(x, np.float32))


def _gaussian_logits(level_mv, deviation_mv):
    distance = (bins_mv()[None, :, None] - level_mv[:, None]) / deviation_mv
    return -0.5 * distance**2


@pytest.fixture(scope="module")
def signals_mv():
    return simulate(np.random.default_rng(11))


@pytest.fixture(scope="module")
def table_mv(signals_mv):
    return from_grid(signals_mv, RATE_HZ)


@pytest.fixture(scope="module")
def page(table_mv):
    return render_page(table_mv, RATE_HZ, Header(id="00042_hr", sex="Female"))


@pytest.fixture(scope="module")
def tracer():
    return load("tracer")


# === Read-out ===


def test_reading_out_a_gaussian_gives_its_mean_and_deviation():
    level = np.linspace(-2.0, 2.0, 41)[None]
    mean, _ = read_out(_tensor(_gaussian_logits(level, 0.03)))
    # Bins of different widths weigh a Gaussian over voltage by 0.2 uV.
    np.testing.assert_allclose(_numpy(mean), level, atol=2e-4)
    _, std = read_out(_tensor(_gaussian_logits(level, 0.06)))
    taught = np.interp(
        -level, -bins_mv(), -TAUGHT_BINS * np.gradient(bins_mv())
    )
    expected = np.sqrt(0.06**2 - taught**2)
    np.testing.assert_allclose(_numpy(std), expected, rtol=0.05)


def test_a_distribution_as_it_was_taught_is_sure():
    width = -TAUGHT_BINS * np.gradient(bins_mv())[N_BINS // 2]
    _, std = read_out(_tensor(_gaussian_logits(np.zeros((1, 1)), width)))
    np.testing.assert_allclose(_numpy(std), LEAST_STD_MV, atol=2e-3)


def test_what_the_path_cannot_settle_counts_in_the_deviation():
    """Another trace 2 mV away: in one column, and in many that agree."""
    level = np.zeros(50)
    both = _bimodal_logits(level, level + 2.0, np.full(50, 0.25))
    one, std = read_out(both[..., :1], smoothness=SMOOTHNESS)
    np.testing.assert_allclose(_numpy(one), 0.0, atol=1e-3)
    # Bins are wider there: fewer of them, with less of the mass.
    share = _numpy(ops.softmax(both[..., :1], axis=1))[0, :, 0]
    likelihood = share[bins_mv() > 1.0].sum()
    np.testing.assert_allclose(_numpy(std), 2 * likelihood**0.5, rtol=0.01)
    many, std = read_out(both, smoothness=SMOOTHNESS)
    np.testing.assert_allclose(_numpy(many), 0.0, atol=1e-3)
    assert _numpy(std).max() < 0.1
    whole, _ = read_out(both, window_bins=None)
    np.testing.assert_allclose(_numpy(whole), 2 * likelihood, atol=0.01)


def _bimodal_logits(level_mv, other_mv, other_share):
    """Two Gaussians in each column; the second with a share of the mass."""
    own, other = (_gaussian_logits(x[None], 0.03) for x in (level_mv, other_mv))
    weight = np.log(np.clip(other_share, 1e-6, 1 - 1e-6))
    rest = np.log1p(-np.clip(other_share, 1e-6, 1 - 1e-6))
    return _tensor(np.logaddexp(own + rest, other + weight))


def test_the_likely_path_does_not_jump_to_another_trace_and_back():
    """Nadirs of deep S waves, one below the other, as in V2 and V3."""
    time = np.arange(400)
    level = -2.0 * np.exp(-(((time - 200) / 8) ** 2))
    other = level + 3.6
    share = np.full(400, 0.01)
    share[195:206] = 0.6  # There the other one is the likelier.
    logits = _bimodal_logits(level, other, share)
    jumping, _ = read_out(logits)
    assert np.abs(_numpy(jumping)[0] - level)[195:206].min() > 3
    path, std = read_out(logits, smoothness=SMOOTHNESS)
    np.testing.assert_allclose(_numpy(path)[0], level, atol=0.02)
    assert _numpy(std).max() < 0.1  # The columns around leave no doubt.


def test_the_likely_path_follows_steep_waves_and_steps():
    time = np.arange(400)
    level = 3.0 * np.exp(-(((time - 100) / 3) ** 2))
    level[250:] -= 1.5  # another lead begins
    logits = _tensor(_gaussian_logits(level[None], 0.03))
    path, _ = read_out(logits, smoothness=SMOOTHNESS)
    np.testing.assert_allclose(_numpy(path)[0], level, atol=0.01)


def test_rows_are_read_quarter_by_quarter():
    """Steps at the beginning of a row and between leads cost nothing."""
    rows = np.full((4, SAMPLES_IN_STRIP), 1.0)  # the pulse, and beyond
    inside = rows[:, MARGIN_SAMPLES:][:, :N_SAMPLES]
    inside[:] = np.repeat([0.0, -1.0, 0.5, 2.0], 1250)
    logits = _gaussian_logits(rows, 0.03)
    # In the first column of each lead, what was before is the likelier.
    before = _gaussian_logits(np.roll(rows, 1, axis=1), 0.03) + 1.0
    first = MARGIN_SAMPLES + 1250 * np.arange(4)
    logits[..., first] = np.logaddexp(logits, before)[..., first]
    mean, std = read_rows(_tensor(logits))
    assert _numpy(mean).shape == _numpy(std).shape == (1, 4, N_SAMPLES)
    np.testing.assert_allclose(_numpy(mean)[0], inside, atol=1e-3)


def test_best_scores_are_those_of_the_best_of_all_paths():
    """Against dynamic programming, step by step; lengths around 2^n."""
    rng = np.random.default_rng(0)
    for n_samples in (2, 3, 8, 9, 10, 33):
        score = rng.normal(size=(2, n_samples, 3))
        step = rng.normal(size=(2, n_samples - 1, 3, 3))
        expected = [score[:, 0]]
        for i in range(1, n_samples):
            best = (expected[-1][:, :, None] + step[:, i - 1]).max(axis=1)
            expected.append(best + score[:, i])
        found = _best_scores(_tensor(score), _tensor(step))
        np.testing.assert_allclose(
            _numpy(found), np.stack(expected, axis=1), atol=1e-4
        )


# === Loss ===


def test_the_entropy_is_least_where_the_target_is():
    level = np.array([[0.4, -0.7, np.nan]])
    right = _gaussian_logits(np.nan_to_num(level), 0.8 * BIN_MV)
    wrong = _gaussian_logits(np.nan_to_num(level) + 0.1, 0.8 * BIN_MV)
    low, high = (
        _numpy(trace_entropy(_tensor(level), _tensor(x), 0.8))[0]
        for x in (right, wrong)
    )
    # The entropy of the target itself: a Gaussian's, in bins.
    assert low == pytest.approx(0.5 * np.log(2 * np.pi * np.e * 0.64), abs=0.01)
    assert high > low + 1


def test_what_leaves_the_strip_is_not_judged():
    level = np.array([[0.4, 1.01 * REACH_MV]])
    alone = np.array([[0.4, np.nan]])
    logits = _tensor(_gaussian_logits(np.array([[0.3, 0.0]]), 0.03))
    loss = TraceLoss()
    one, two = (_numpy(loss.call(_tensor(x), logits)) for x in (level, alone))
    np.testing.assert_allclose(one, two)
    assert np.isfinite(_numpy(trace_snr_db(_tensor(level), logits))).all()


# === Rows to leads ===


def _rows(signals_mv):
    printed = np.where(printed_mask() > 0, signals_mv, np.nan)
    rows = row_signals(printed)[:, MARGIN_SAMPLES:][:, :N_SAMPLES]
    return np.nan_to_num(rows)[None]


@pytest.mark.parametrize("relations", [True, False])
def test_rows_join_to_the_leads_that_they_print(signals_mv, relations):
    rows = _rows(signals_mv)
    std = np.full_like(rows, 0.01)
    found, deviation = join_rows(_tensor(rows), _tensor(std), relations)
    expected = signals_mv * printed_mask()
    np.testing.assert_allclose(_numpy(found)[0], expected, atol=1e-5)
    assert (_numpy(deviation)[0][printed_mask() > 0] <= 0.0101).all()


def test_relations_lower_the_noise_of_limb_leads(signals_mv):
    rows = _rows(signals_mv)
    noisy = rows + np.random.default_rng(0).normal(0, 0.02, rows.shape)
    std = _tensor(np.full_like(rows, 0.02))
    mask = printed_mask()
    power = {}
    for relations in (True, False):
        found, _ = join_rows(_tensor(noisy), std, relations)
        error = (_numpy(found)[0] - signals_mv) * mask
        power[relations] = (error[:6] ** 2).sum()
    assert power[True] < 0.8 * power[False]


def test_joined_limb_leads_keep_einthovens_relation(signals_mv):
    rows = _rows(signals_mv)
    noisy = rows + np.random.default_rng(0).normal(0, 0.02, rows.shape)
    found, _ = join_rows(_tensor(noisy), _tensor(np.full_like(rows, 0.02)))
    first_quarter = _numpy(found)[0][:, :1250]
    residual = einthoven_residual_mv(first_quarter)[LEADS.index("III")]
    assert np.abs(residual).max() < 1e-5


def test_a_sure_row_outweighs_an_unsure_one(signals_mv):
    rows = _rows(signals_mv)
    wrong = rows.copy()
    wrong[0, 1] += 0.5  # lead II of the second row; the strip is right
    std = np.full_like(rows, 0.01)
    std[0, 1] = 1.0
    found, _ = join_rows(_tensor(wrong), _tensor(std))
    error = _numpy(found)[0][LEADS.index("II"), :1250]
    np.testing.assert_allclose(error, signals_mv[1, :1250], atol=0.01)


def test_the_prints_of_lead_ii_are_compared(signals_mv):
    rows = _rows(signals_mv)
    wrong = rows.copy()
    wrong[0, 1] = rows[0, 0, ::-1]
    flat = 0.001 * wrong
    both = _tensor(np.concatenate([rows + 0.2, wrong, flat]))
    alike, unrelated, nothing = _numpy(lead_ii_difference(both))
    assert alike < 1e-6 and nothing < 0.01 and unrelated > 0.5


# === The page's frame ===


def test_an_affine_map_is_found_from_cells():
    affine = np.array([[0.97, 0.02, 12.0], [-0.02, 0.98, -7.0]])
    middle = np.array([PAGE_WIDTH_PX / 2, PAGE_HEIGHT_PX / 2])
    centres = cell_centres_px()
    picture = centres - middle
    pages = (picture - affine[:, 2]) @ np.linalg.inv(affine[:, :2]).T
    cells = np.zeros((1, *centres.shape[:2], 4), np.float32)
    cells[0, ..., :2] = (pages - picture) / UNIT_PX
    # A cell that is wrong and says so.
    cells[0, 3, 3] = (4.0, -4.0, 5.0, 0.0)
    found = _numpy(fit_affine(_tensor(cells)))[0]
    np.testing.assert_allclose(found[:, :2], affine[:, :2], atol=2e-4)
    np.testing.assert_allclose(found[:, 2], affine[:, 2], atol=0.1)


@pytest.mark.parametrize("kind", ["0001", "0003", "0012"])
def test_the_grid_corrects_a_frame_that_is_some_px_off(page, kind):
    size = PAGE_HEIGHT_PX, PAGE_WIDTH_PX
    picture, page_map = degrade(page, kind, np.random.default_rng(9), size)
    middle = np.array([PAGE_WIDTH_PX / 2, PAGE_HEIGHT_PX / 2])
    lines_x, lines_y = np.linspace(150, 2050, 8), np.linspace(450, 1600, 6)
    grid = np.stack(np.meshgrid(lines_x, lines_y), axis=-1).reshape(-1, 2)
    true = page_map.to_picture(grid)
    basis = np.column_stack([grid - middle, np.ones(len(grid))])
    affine = np.linalg.lstsq(basis, true - middle, rcond=None)[0].T
    affine += [[0.002, -0.001, 6.0], [0.001, 0.002, -9.0]]
    found, bend, depth = refine(_tensor(picture[None]), _tensor(affine[None]))
    x, y = to_picture(found, bend, _tensor(lines_x), _tensor(lines_y))
    error = np.stack([_numpy(x).ravel(), _numpy(y).ravel()], -1) - true
    # Waves of the sheet that no cubic follows remain.
    assert np.median(np.abs(error)) < 0.3
    assert _numpy(depth)[0] > 0.5


def test_sampling_is_bilinear():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (1, 40, 50, 3)).astype(np.float32)
    x, y = rng.uniform(-3, 53, (1, 500)), rng.uniform(-3, 43, (1, 500))
    found = _numpy(sample(_tensor(image), _tensor(x), _tensor(y)))[0]
    maps = ((x - 0.5).astype(np.float32), (y - 0.5).astype(np.float32))
    expected = cv2.remap(image[0], *maps, cv2.INTER_LINEAR)[0]
    # OpenCV knows 32 places between two pixels.
    np.testing.assert_allclose(found, expected, atol=9)
    assert np.abs(found - expected).mean() < 2


# === The model in the package ===


def test_the_packaged_tracer_digitises_a_page(tracer, page, table_mv):
    reading = tracer.read([page])
    assert reading.signals_mv.shape == (1, 12, 5000)
    assert reading.layout_found[0] > 0.5
    found_mv = from_grid(reading.signals_mv[0], RATE_HZ)
    ratio = record_ratio(table_mv, found_mv, RATE_HZ)
    assert 10 * np.log10(ratio) > 20


@pytest.mark.parametrize(
    "lead, height_mv, sample", [("V6", 8, 4400), ("V2", 7, 3000)]
)
def test_a_high_beat_is_followed_across_the_rows_above(
    tracer, lead, height_mv, sample
):
    high_mv = simulate(np.random.default_rng(14))
    time = np.arange(high_mv.shape[1])
    beat = np.exp(-(((time - sample) / 20) ** 2))
    high_mv[LEADS.index(lead)] += height_mv * beat
    table = from_grid(high_mv, RATE_HZ)
    reading = tracer.read([render_page(table, RATE_HZ)])
    ratio = record_ratio(
        table, from_grid(reading.signals_mv[0], RATE_HZ), RATE_HZ
    )
    assert 10 * np.log10(ratio) > 15


def test_its_deviation_is_larger_where_it_errs(tracer, page, signals_mv):
    picture, _ = degrade(page, "0011", np.random.default_rng(4))
    reading = tracer.read([picture])
    printed = printed_mask() > 0
    error = np.abs(reading.signals_mv[0] - signals_mv)[printed]
    std = reading.std_mv[0][printed]
    unsure = std > np.quantile(std, 0.9)
    assert np.mean(error[unsure]) > 2 * np.mean(error[~unsure])


@pytest.mark.parametrize("layout", OTHERS[1::2], ids=lambda x: x.name)
def test_other_layouts_are_refused(tracer, signals_mv, layout):
    table = from_grid(signals_mv, RATE_HZ, stretch=layout.stretch)
    page = render_page(table, RATE_HZ, style=Style(layout=layout))
    with pytest.raises(InputError, match="3x4 leads"):
        tracer.predict([page])


def test_a_picture_of_nothing_is_refused(tracer):
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    with pytest.raises(InputError, match="an image does not look like"):
        tracer.predict([noise])


def test_bins_of_the_network_are_those_of_the_strip(tracer):
    network = tracer.model.get_layer("row_network")
    assert network.output_shape[1] == N_BINS

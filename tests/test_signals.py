"""The `signals` command: recordings chosen, joined, and some beats raised."""

import numpy as np
import pytest

from ecg_keras.commands.signals import SignalsConfig, choose_signals
from ecg_keras.ecg.leads import LEADS, QUARTER_SAMPLES, limb_leads
from ecg_keras.ecg.raised_beats import raise_beats
from ecg_keras.ecg.signal_files import read_signals_file, write_signals_file
from ecg_keras.ecg.synthesis import simulate
from ecg_keras.errors import InputError

IDS = ["a", "b", "c", "d"]


@pytest.fixture
def npz(tmp_path):
    signals_mv = [simulate(np.random.default_rng(k)) for k in range(4)]
    write_signals_file(tmp_path / "all.npz", IDS, signals_mv)
    return tmp_path / "all.npz"


def _choose(npz, **settings):
    output = npz.with_name("chosen.npz")
    config = SignalsConfig((str(npz),), str(output), **settings)
    written = choose_signals(config)
    ids, signals_mv = read_signals_file(output)
    assert ids == written
    output.unlink()
    return ids, signals_mv


def test_two_lists_of_ids_split_a_file(npz):
    names = npz.with_name("held_out.txt")
    names.write_text("c\na\n")
    _, everything_mv = read_signals_file(npz)
    ids, signals_mv = _choose(npz, only=str(names))
    assert ids == ["a", "c"]
    np.testing.assert_array_equal(signals_mv, everything_mv[[0, 2]])
    ids, signals_mv = _choose(npz, without=str(names))
    assert ids == ["b", "d"]
    np.testing.assert_array_equal(signals_mv, everything_mv[[1, 3]])


def test_a_seed_chooses_the_same_recordings_again(npz):
    first, _ = _choose(npz, records=2, seed=3)
    assert first == _choose(npz, records=2, seed=3)[0]
    chosen = {tuple(_choose(npz, records=2, seed=k)[0]) for k in range(6)}
    assert len(chosen) > 1


def test_only_large_waves_grow_and_limb_leads_still_follow(npz):
    """Einthoven and Goldberger hold afterwards as they did before."""
    _, before_mv = read_signals_file(npz)
    grown = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        raised_mv = raise_beats(before_mv[seed % 4], rng)
        np.testing.assert_allclose(
            raised_mv[:6], limb_leads(raised_mv[0], raised_mv[1]), atol=1e-4
        )
        assert (np.abs(raised_mv) >= np.abs(before_mv[seed % 4]) - 1e-6).all()
        for lead in range(6, len(LEADS)):
            quarter = slice(
                lead // 3 * QUARTER_SAMPLES, (lead // 3 + 1) * QUARTER_SAMPLES
            )
            peak_mv = np.abs(raised_mv[lead, quarter]).max()
            if (raised_mv[lead] != before_mv[seed % 4, lead]).any():
                grown += 1
                assert 3.0 <= peak_mv <= 9.0
    assert 20 < grown < 45  # of 60, 0.55 of them in the mean
    ids, _ = _choose(npz, raise_beats=True)
    assert ids == ["raised_a", "raised_b", "raised_c", "raised_d"]


# Its own use of pandas.
@pytest.mark.filterwarnings("ignore:The inplace keyword")
def test_wfdb_records_of_a_folder_are_read(npz, tmp_path):
    wfdb = pytest.importorskip("wfdb")
    _, signals_mv = read_signals_file(npz)
    folder = tmp_path / "records500" / "00000"
    folder.mkdir(parents=True)
    ids = ["00002_hr", "00001_hr"]
    order = [3, 0, *range(1, 3), *range(4, 12)]  # as no file of ours has them
    for name, signal_mv in zip(ids, signals_mv[:2], strict=True):
        wfdb.wrsamp(
            name,
            fs=500,
            units=["mV"] * 12,
            sig_name=[LEADS[k].upper() for k in order],
            p_signal=signal_mv[order].T.astype(float),
            fmt=["16"] * 12,
            adc_gain=[1000.0] * 12,
            baseline=[0] * 12,
            write_dir=str(folder),
        )
    ids, found_mv = _choose(npz.rename(folder.parent / "x").parent)
    assert ids == ["00001_hr", "00002_hr"]
    np.testing.assert_allclose(found_mv, signals_mv[[1, 0]], atol=6e-4)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"records": 5}, "--records from 1 to the 4 .*5"),
        ({"only": "nowhere.txt"}, "--only nowhere.txt does not exist"),
        ({"output": "x.csv"}, "--output to be the name of an npz file.*x.csv"),
        ({"output": None}, "--output to be the name of an npz file.*None"),
    ],
)
def test_what_cannot_be_chosen_is_said(npz, settings, message):
    settings = {"output": str(npz.with_name("new.npz")), **settings}
    with pytest.raises(InputError, match=message):
        choose_signals(SignalsConfig((str(npz),), **settings))


def test_unknown_ids_and_files_that_are_there_are_named(npz):
    names = npz.with_name("ids.txt")
    names.write_text("a\nz\n")
    with pytest.raises(InputError, match="--without .*ids.txt: z is not among"):
        _choose(npz, without=str(names))
    with pytest.raises(InputError, match="the id a is twice in"):
        choose_signals(SignalsConfig((str(npz),) * 2, str(npz) + ".npz"))
    with pytest.raises(InputError, match="all.npz exists"):
        choose_signals(SignalsConfig((str(npz),), str(npz)))
    with pytest.raises(InputError, match="no WFDB record"):
        choose_signals(SignalsConfig((str(npz.parent),), str(npz) + ".npz"))

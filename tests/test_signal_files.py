"""Files of signals, read back by the libraries of their formats."""

import json

import numpy as np
import pandas as pd
import pytest

from ecg_keras.ecg.digitized import DigitizedEcg
from ecg_keras.ecg.leads import LEADS, printed_mask
from ecg_keras.ecg.plotting import row_segments
from ecg_keras.ecg.resampling import from_grid
from ecg_keras.ecg.signal_files import signals_table, write_signals
from ecg_keras.errors import InputError


@pytest.fixture
def signals_mv():
    """A page with a wave of 13 mV, without lead V5, 6 s long."""
    times_s = np.arange(3000) / 500
    phases = np.arange(12)[:, None]
    signals = np.sin(2 * np.pi * (5 * times_s + phases / 12))
    signals[8] *= 13
    signals[LEADS.index("V5")] = np.nan
    signals[0, 1000:] = np.nan
    return signals.astype(np.float32)


def test_a_table_has_each_stretch_at_its_rate_and_no_more(signals_mv):
    for rate_hz in (250, 500, 1000):
        table = signals_table(signals_mv, rate_hz)
        assert len(table) == 6 * rate_hz
        assert table["V5"].isna().all()
        assert table["I"].notna().sum() == 2 * rate_hz
        times_s = table["time_s"].to_numpy()
        expected = np.sin(2 * np.pi * (5 * times_s + 1 / 12))
        # Ends of a stretch are no whole period: the band-limited edge shows.
        inside = slice(rate_hz // 5, -rate_hz // 5)
        np.testing.assert_allclose(
            table["II"][inside], expected[inside], atol=5e-3
        )


@pytest.mark.parametrize("rate_hz", [250, 256, 500, 512, 1000, 1025])
def test_the_competitions_page_has_the_competitions_stretches(rate_hz):
    rng = np.random.default_rng(0)
    signals = rng.normal(size=(12, 5000)).astype(np.float32)
    expected = from_grid(signals, rate_hz)
    masked = np.where(printed_mask() > 0, signals, np.nan)
    found = signals_table(masked, rate_hz)[list(LEADS)].to_numpy().T
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    if rate_hz != 1025:  # there the generator's quarters begin off its times
        np.testing.assert_allclose(found, expected, atol=1e-6)


# wfdb's own use of pandas.
@pytest.mark.filterwarnings("ignore:The inplace keyword")
def test_wfdb_keeps_gaps_large_waves_and_odd_names(signals_mv, tmp_path):
    import wfdb

    table = signals_table(signals_mv, 250)
    write_signals(tmp_path / "a b.c é", table, "wfdb")
    record = wfdb.rdrecord(str(tmp_path / "a b.c é_wfdb" / "a_b_c__"))
    assert record.fs == 250 and record.sig_name == list(LEADS)
    assert set(record.units) == {"mV"}
    np.testing.assert_allclose(
        record.p_signal, table[list(LEADS)].to_numpy(), atol=6e-4
    )


def test_a_dicom_waveform_is_read_back_by_pydicom(signals_mv, tmp_path):
    pydicom = pytest.importorskip("pydicom")
    table = signals_table(signals_mv, 500)
    write_signals(tmp_path / "a.b", table, "dicom")
    file = pydicom.dcmread(tmp_path / "a.b.dcm")
    assert file.SOPClassUID.name == "12-lead ECG Waveform Storage"
    assert file.PatientName == "" and file.Modality == "ECG"
    (group,) = file.WaveformSequence
    assert group.SamplingFrequency == 500
    labels = [c.ChannelLabel for c in group.ChannelDefinitionSequence]
    assert labels == list(LEADS)
    codes = [
        c.ChannelSourceSequence[0].CodeValue
        for c in group.ChannelDefinitionSequence
    ]
    assert codes[:4] == ["2:1", "2:2", "2:61", "2:62"] and codes[-1] == "2:8"
    found = file.waveform_array(0)  # in the unit of the file, uV
    expected = table[list(LEADS)].to_numpy() * 1000
    shown = np.isfinite(expected)
    np.testing.assert_allclose(found[shown], expected[shown], atol=0.51)
    padding = np.frombuffer(group.WaveformPaddingValue, "<i2")[0]
    assert (found[~shown] == padding).all() and padding == -32768


def test_dicom_refuses_what_it_cannot_hold(signals_mv, tmp_path):
    pytest.importorskip("pydicom")
    with pytest.raises(InputError, match="200 to 1000 samples"):
        write_signals(tmp_path / "a", signals_table(signals_mv, 100), "dicom")
    table = signals_table(signals_mv * 3, 500)
    with pytest.raises(InputError, match="up to 32 mV.*39.0 mV"):
        write_signals(tmp_path / "a", table, "dicom")
    assert not list(tmp_path.iterdir())


def test_parquet_carries_what_is_said_of_the_page(signals_mv, tmp_path):
    import pyarrow.parquet

    summary = DigitizedEcg(signals_mv, layout="6x2").summary()
    table = signals_table(signals_mv, 250)
    write_signals(tmp_path / "a", table, "parquet", summary)
    schema = pyarrow.parquet.read_schema(tmp_path / "a.parquet")
    assert json.loads(schema.metadata[b"ecg_keras"]) == summary
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "a.parquet"), table
    )


def test_a_summary_says_where_each_lead_that_is_shown_lies(signals_mv):
    leads = DigitizedEcg(signals_mv).summary()["leads"]
    assert "V5" not in leads and len(leads) == 11
    assert leads["I"] == {"start_s": 0.0, "stop_s": 2.0}


def test_leads_of_a_row_stand_side_by_side_in_a_chart():
    signals = np.where(printed_mask() > 0, 0.0, np.nan)
    found = list(row_segments(("II", "aVL", "V2", "V5"), signals))
    assert [lead for lead, _, _ in found] == ["II", "aVL", "V2", "V5"]
    assert [start_s for _, start_s, _ in found] == [0, 2.5, 5, 7.5]
    assert found[2][2] == slice(2500, 3750)
    assert list(row_segments(("II",), signals)) == [("II", 0, slice(0, 5000))]
    # Both columns show the same five seconds.
    same = np.full((12, 5000), np.nan)
    same[:, :2500] = 0
    found = list(row_segments(("I", "V1"), same))
    assert found == [("I", 0, slice(0, 2500)), ("V1", 5, slice(0, 2500))]
    assert not list(row_segments(("V4R",), same))


def test_columns_of_a_cut_page_begin_in_a_chart_where_their_leads_do():
    signals = np.full((12, 4600), np.nan)
    edges = (0, 850, 2100, 3350, 4600)
    for lead, start, stop in zip((1, 4, 7, 10), edges, edges[1:], strict=False):
        signals[lead, start:stop] = 0
    row = ("II", "aVL", "V2", "V5")
    signals[1] = 0  # the rhythm strip shows it, too
    found = [samples for _, _, samples in row_segments(row, signals)]
    assert found == [
        slice(*pair) for pair in zip(edges, edges[1:], strict=False)
    ]
    signals[4] = 0  # and another one shows aVL
    starts = [start_s for _, start_s, _ in row_segments(row, signals)]
    assert starts == [0, 2.3, 4.2, 6.7]

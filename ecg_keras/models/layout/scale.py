"""Paper speed and gain, by what the user, print, pulses and beats say."""

import functools
from typing import NamedTuple

import numpy as np

from ecg_keras.models.layout.beats import RowBeats
from ecg_keras.models.layout.lead_names import written_scales
from ecg_keras.page.paper import GAIN_MM_PER_MV, PAPER_SPEED_MM_PER_S

SPEED_ASSUMED = (
    "neither print nor pulses nor columns tell the paper speed: taken as "
    f"{PAPER_SPEED_MM_PER_S:g} mm/s"
)
GAIN_ASSUMED = (
    "neither a calibration pulse nor print tells the gain: taken as "
    f"{GAIN_MM_PER_MV:g} mm/mV"
)
# Beats are seldom less or more apart: 37 strangers' pages have 0.38 to 1.06 s.
LEAST_BEAT_S, MOST_BEAT_S, LEAST_BEATS_APART = 0.28, 1.5, 2
# Devices print pulses at this share of rows; of another gain than 10 mm/mV what
# stands at fewer may be waves.
PULSED_SHARE = 0.7


class Scale(NamedTuple):
    """Paper speed and gain of a page, and what is to be doubted of them."""

    speed_mm_per_s: float
    gain_mm_per_mv: float
    doubts: tuple


def find_scale(given, words, pulses, columns_tell, rows, ends_mm, n_rows):
    """The `Scale` of a page.

    Args:
        given: `Given`, what the user says of it.
        words: `lead_names.FoundName`s of all that it says.
        pulses: list of `pulses.FoundPulse`.
        columns_tell: whether its columns are as wide as at 25 mm/s alone.
        rows: list of `row_heights.RowHeights`.
        ends_mm: (first, last) x of its traces.
        n_rows: how many of the rows show leads.
    """
    measured_gain, measured = gain_and_speed(pulses)
    if measured is None and columns_tell:
        measured = PAPER_SPEED_MM_PER_S
    speeds, gains = written_scales(words)
    speed, no_speed = _settled(
        given.speed_mm_per_s, speeds, measured, "mm/s", SPEED_ASSUMED
    )
    gain, no_gain = _settled(
        given.gain_mm_per_mv, gains, measured_gain, "mm/mV", GAIN_ASSUMED
    )
    doubts = (*no_gain, *no_speed)
    speed = speed or PAPER_SPEED_MM_PER_S
    if given.speed_mm_per_s is None:
        unlikely = functools.partial(unlikely_beats, rows, *ends_mm)
        reason = unlikely(speed)
        if reason and measured is not None and not unlikely(measured):
            # What is written was misread.
            speed = measured
        elif reason:
            doubts = (*doubts, reason)
    if given.gain_mm_per_mv is None and not gains:
        rare = rare_gain(pulses, n_rows)
        doubts = (*doubts, *filter(None, [rare]))
    return Scale(speed, gain or GAIN_MM_PER_MV, doubts)


def gain_and_speed(pulses):
    """(mm a mV, mm a s) as pulses tell them; None each where they do not."""
    whole = [pulse for pulse in pulses if not pulse.is_half]
    gain = speed = None
    if pulses:
        height = float(np.median([pulse.height_mm for pulse in pulses]))
        gain = min(
            (2.5, 5.0, 10.0, 20.0), key=lambda g: abs(np.log(g / height))
        )
    if whole:
        width = float(np.median([pulse.width_mm for pulse in whole]))
        if 3.8 < width < 6.5:
            speed = 25.0
        elif width >= 8.0:
            speed = 50.0
    return gain, speed


def rare_gain(pulses, n_rows):
    """A reason to doubt a gain that few pages have, or None.

    Args:
        pulses: list of `FoundPulse`.
        n_rows: how many rows the page has.
    """
    gain, _ = gain_and_speed(pulses)
    if gain in (None, GAIN_MM_PER_MV) or len(pulses) >= PULSED_SHARE * n_rows:
        return None
    return (
        f"pulses of {gain:g} mm a mV are seen at {len(pulses)} of {n_rows} "
        "rows: they may be waves"
    )


def unlikely_beats(rows, x_start_mm, x_end_mm, speed_mm_per_s):
    """A reason to doubt a paper speed by how far beats are apart, or None.

    A pulse of 0.1 s at 50 mm/s is as wide as one of 0.2 s at 25.

    Args:
        rows: list of `row_heights.RowHeights`.
        x_start_mm, x_end_mm: of the traces.
        speed_mm_per_s: as it was found.
    """
    apart_mm = np.diff(RowBeats.of(rows, x_start_mm, x_end_mm).x_mm)
    if len(apart_mm) < LEAST_BEATS_APART:
        return None
    apart_s = float(np.median(apart_mm)) / speed_mm_per_s
    if LEAST_BEAT_S < apart_s < MOST_BEAT_S:
        return None
    return (
        f"beats are {apart_s:.2g} s apart at {speed_mm_per_s:g} mm/s: the "
        "paper may have run at another speed"
    )


def _settled(given, written, measured, unit, assumed):
    """A speed or a gain by what the user, print and measurements say.

    Args:
        given: of the user, or None.
        written: tuple of all that the page says.
        measured: by pulses or columns, or None.
        unit: of these.
        assumed: the doubt where nothing tells it.

    Returns:
        (number or None, tuple of doubts).
    """
    if given is not None:
        return given, ()
    told = {*written, measured} - {None}
    if not told:
        return None, (assumed,)
    found = written[0] if len(written) == 1 else measured
    if len(told) == 1:
        return found, ()
    says = " and ".join(f"{number:g}" for number in written)
    doubt = f"{says} {unit} is written on the page"
    if measured is not None:
        doubt += f", pulses or columns tell {measured:g}"
    return found, (doubt,)

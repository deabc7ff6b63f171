"""A simulator of 12-lead ECGs: a turning dipole, seen from twelve places.

The heart is a dipole whose three coordinates are sums of Gaussians along each
beat (McSharry et al., IEEE Trans. Biomed. Eng. 50:289, 2003, for one lead;
Sameni et al., EURASIP J. Adv. Signal Process. 2007:43407, for the dipole, whose
Gaussians are taken here). Dower's matrix projects it to the leads (Dower et
al., J. Electrocardiol. 13:81, 1980).

Deviations: Gaussians stand in time instead of phase, so that the QRS does not
widen at slow rates while QT follows the root of RR, as Bazett's formula has it;
fibrillation, ectopic beats, wander and noise are our own.
"""

import dataclasses

import numpy as np
import scipy.ndimage
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation

from ecg_keras.ecg.leads import DURATION_S, N_SAMPLES, RATE_HZ, limb_leads

# For each axis (x left, y down, z back): angle in rad about the R peak,
# amplitude in mV, width in rad of each Gaussian; 2 pi rad are 1 s.
DIPOLE = (
    (
        (-1.09, -0.83, -0.19, -0.07, 0.0, 0.06, 0.22, 1.2, 1.42, 1.68, 2.9),
        (0.03, 0.08, -0.13, 0.85, 1.11, 0.75, 0.06, 0.1, 0.17, 0.39, 0.03),
        (0.0906, 0.1057, 0.0453, 0.0378, 0.0332, 0.0302, 0.0378, 0.6, 0.3,
         0.18, 0.5),
    ),
    (
        (-1.1, -0.9, -0.76, -0.11, -0.01, 0.065, 0.8, 1.58, 2.9),
        (0.035, 0.015, -0.019, 0.32, 0.51, -0.32, 0.04, 0.08, 0.014),
        (0.07, 0.07, 0.04, 0.055, 0.037, 0.0604, 0.45, 0.3, 0.5),
    ),
    (
        (-1.1, -0.93, -0.7, -0.4, -0.15, 0.095, 1.05, 1.25, 1.55),
        (-0.03, -0.14, -0.035, 0.045, -0.4, 0.46, -0.12, -0.2, -0.35),
        (0.03, 0.12, 0.04, 0.4, 0.045, 0.05, 0.8, 0.4, 0.2),
    ),
)  # fmt: skip
# Leads I, II, V1 to V6 from x, y, z.
DOWER = np.array([
    (0.632, -0.235, 0.059),
    (0.235, 1.066, -0.132),
    (-0.515, 0.157, -0.917),
    (0.044, 0.164, -1.387),
    (0.882, 0.098, -1.277),
    (1.213, 0.127, -0.601),
    (1.125, 0.127, -0.086),
    (0.831, 0.076, 0.230),
])  # fmt: skip

TIMES_S = np.arange(N_SAMPLES) / RATE_HZ

ECTOPIC_SHARE = 0.25  # of the records
FIBRILLATION_SHARE = 0.1


# Gaussians between these times about the R peak make up the QRS.
QRS_S = (-0.1, 0.1)


@dataclasses.dataclass(frozen=True)
class Beat:
    """One beat as a sum of K Gaussians of a dipole, about its R peak.

    Attributes:
        times_s: (K,) centres.
        widths_s: (K,) standard deviations.
        dipoles_mv: (K, 3) peaks, as x, y, z.
    """

    times_s: np.ndarray
    widths_s: np.ndarray
    dipoles_mv: np.ndarray

    @property
    def is_p(self):
        return self.times_s < QRS_S[0]

    @property
    def is_t(self):
        return self.times_s > QRS_S[1]

    def only(self, chosen):
        """The beat made of some of its Gaussians."""
        return Beat(
            self.times_s[chosen], self.widths_s[chosen], self.dipoles_mv[chosen]
        )


def simulate(rng):
    """Simulate 10 s of a 12-lead ECG.

    Args:
        rng: numpy.random.Generator; everything follows from it.

    Returns:
        (12, 5000) float32 mV, the leads in the order of `leads.LEADS`, at
        500 Hz. Einthoven's and Goldberger's relations hold.
    """
    fibrillating = rng.random() < FIBRILLATION_SHARE
    normal = _persons_beat(rng)
    ectopic = _ectopic_beat(rng, normal)
    if fibrillating:
        normal = normal.only(~normal.is_p)
    dipole_mv = np.zeros((3, N_SAMPLES))
    for peak_s, interval_s, is_ectopic in _rhythm(rng, fibrillating):
        beat = ectopic if is_ectopic else normal
        # Bazett: QT is proportional to the root of RR.
        stretch = np.where(beat.is_t, np.sqrt(interval_s), 1.0)
        distance = (TIMES_S - peak_s - (beat.times_s * stretch)[:, None]) / (
            beat.widths_s * stretch
        )[:, None]
        strength = rng.normal(1.0, 0.02)
        dipole_mv += strength * beat.dipoles_mv.T @ np.exp(-(distance**2) / 2)
    if fibrillating:
        dipole_mv += _fibrillation(rng)
    # Breathing brings the heart nearer and farther.
    breaths_hz, phase = rng.uniform(0.15, 0.35), rng.uniform(0, 2 * np.pi)
    breath = np.sin(2 * np.pi * breaths_hz * TIMES_S + phase)
    dipole_mv *= 1 + rng.uniform(0, 0.08) * breath

    measured_mv = DOWER @ dipole_mv
    # Chest electrodes are placed differently on each person.
    measured_mv[2:] *= rng.uniform(0.7, 1.8, (len(DOWER) - 2, 1))
    measured_mv += _wander(rng) + _noise(rng)
    limb_mv = limb_leads(measured_mv[0], measured_mv[1])
    return np.concatenate([limb_mv, measured_mv[2:]]).astype(np.float32)


def _rhythm(rng, fibrillating):
    """[(R peak in s, RR interval in s, is ectopic)], from before to after."""
    mean_s = 60 / rng.uniform(45, 130)
    irregular = rng.uniform(0.12, 0.25) if fibrillating else 0.015
    sway, sway_s = rng.uniform(0, 0.06), rng.uniform(3, 6)
    ectopic_share = 0.0
    if rng.random() < ECTOPIC_SHARE:
        ectopic_share = rng.uniform(0.05, 0.3)
    beats, peak_s = [], rng.uniform(-1.5, -0.5)
    while peak_s < DURATION_S + 1:
        wave = np.sin(2 * np.pi * peak_s / sway_s)
        interval_s = mean_s * (1 + sway * wave + irregular * rng.normal())
        interval_s = float(np.clip(interval_s, 0.35, 2.0))
        beats.append((peak_s, interval_s, False))
        peak_s += interval_s
        if rng.random() < ectopic_share:
            # It comes early, and a pause makes up for it.
            early_s = interval_s * rng.uniform(0.6, 0.8)
            beats.append((peak_s - interval_s + early_s, interval_s, True))
            peak_s += interval_s
    return beats


def _persons_beat(rng):
    """A person's own P, QRS and T."""
    angles, dipoles_mv, widths = [], [], []
    for axis, columns in enumerate(DIPOLE):
        for angle, amplitude, width in zip(*columns, strict=True):
            angles.append(angle)
            widths.append(width)
            dipoles_mv.append(amplitude * np.eye(3)[axis])
    turn_s = 1 / (2 * np.pi)
    times_s, widths_s = np.array(angles) * turn_s, np.array(widths) * turn_s
    beat = Beat(times_s, widths_s, np.array(dipoles_mv))
    is_qrs = ~(beat.is_p | beat.is_t)
    times_s, widths_s = times_s.copy(), widths_s.copy()
    times_s[beat.is_p] -= rng.uniform(-0.03, 0.05)  # PR interval
    times_s[beat.is_t] *= rng.uniform(0.9, 1.1)  # QT interval
    # A wider QRS is lower; rarely it is as wide as in a bundle branch block.
    qrs_width = rng.uniform(1.5, 2.0) if rng.random() < 0.1 else 1.0
    qrs_width *= rng.uniform(0.85, 1.15)
    times_s[is_qrs] *= qrs_width
    widths_s[is_qrs] *= qrs_width

    dipoles_mv = beat.dipoles_mv * rng.normal(1, 0.12, (len(times_s), 1))
    t_height = rng.choice([1.0, 0.4, -0.4], p=[0.75, 0.15, 0.1])
    heart = _rotation(rng, 20)
    for wave, height, degrees in (
        (beat.is_p, rng.uniform(0.6, 1.5), 10),
        (is_qrs, rng.uniform(0.5, 1.3), 15),
        (beat.is_t, t_height * rng.uniform(0.4, 1.0), 15),
    ):
        turned = dipoles_mv[wave] @ (heart @ _rotation(rng, degrees)).T
        dipoles_mv[wave] = height * turned
    return Beat(times_s, widths_s, dipoles_mv)


def _ectopic_beat(rng, normal):
    """A ventricular beat: no P, a wide QRS of another axis, T against it."""
    beat = normal.only(~normal.is_p)
    stretch = np.where(beat.is_t, 1.0, rng.uniform(2.0, 2.8))
    height = np.where(beat.is_t, -rng.uniform(1.0, 2.0), rng.uniform(0.8, 1.3))
    dipoles_mv = beat.dipoles_mv * height[:, None] @ _rotation(rng, 60).T
    return Beat(beat.times_s * stretch, beat.widths_s * stretch, dipoles_mv)


def _rotation(rng, degrees):
    """A random rotation (3, 3): by normal angles of that deviation."""
    return Rotation.from_euler(
        "xyz", rng.normal(0, degrees, 3), True
    ).as_matrix()


def _fibrillation(rng):
    """Fibrillatory waves (3, T): a few Hz, of wavering rate and height, mV."""
    rate_hz = rng.uniform(4.5, 7.5)
    wavering = _smooth(rng, 3, 1.0)
    phase = 2 * np.pi * np.cumsum(rate_hz * (1 + 0.15 * wavering), 1) / RATE_HZ
    height = rng.uniform(0.02, 0.06) * (1 + 0.3 * _smooth(rng, 3, 2.0))
    return height * np.sin(phase + rng.uniform(0, 2 * np.pi, (3, 1)))


def _wander(rng):
    """Baseline wander of each measured lead, (8, T) mV."""
    height = rng.uniform(0, 0.12) * rng.uniform(0.3, 1.0, (len(DOWER), 1))
    return height * _smooth(rng, len(DOWER), rng.uniform(0.6, 3.0))


def _noise(rng):
    """Muscle and mains noise of each measured lead, (8, T) mV."""
    muscle = rng.normal(size=(len(DOWER), N_SAMPLES))
    muscle = scipy.ndimage.gaussian_filter1d(muscle, rng.uniform(0.8, 2.0))
    mains_hz = rng.choice([50, 60])
    mains = np.sin(2 * np.pi * mains_hz * TIMES_S + rng.uniform(0, 2 * np.pi))
    mains = mains * rng.uniform(0, 1, (len(DOWER), 1))
    return rng.uniform(0, 0.04) * muscle + rng.uniform(0, 0.008) * mains


def _smooth(rng, n, width_s):
    """Slow random curves (n, T) about 0, with a bend about every `width_s`."""
    knots_s = np.arange(-width_s, DURATION_S + 2 * width_s, width_s)
    return CubicSpline(knots_s, rng.normal(size=(n, len(knots_s))), axis=1)(
        TIMES_S
    )

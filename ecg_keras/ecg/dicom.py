"""A DICOM file of a 12-lead ECG waveform (PS3.3, A.34.3)."""

import datetime
import hashlib

import numpy as np

from ecg_keras.ecg.leads import LEADS
from ecg_keras.errors import InputError
from ecg_keras.files import replacing
from ecg_keras.version import __version__

# 1 uV a step, in 16 bits; the lowest value stands for what is not shown.
STEPS_PER_MV = 1000
NOT_SHOWN = -32768
# Samples a second that the standard allows.
RATES_HZ = 200, 1000
# Codes of leads (PS3.16, CID 3001): MDC.
_LEAD_CODES = dict(
    zip(LEADS, (1, 2, 61, 62, 63, 64, 3, 4, 5, 6, 7, 8), strict=True)
)


def write_dicom(path, signals_mv, rate_hz):
    """Write signals as DICOM, and read them back.

    The file names no patient. Its times are those of the writing: the page's
    own are not read. What is not shown has the file's padding value.

    Args:
        path: the file.
        signals_mv: (n, 12) mV, NaN where nothing is shown.
        rate_hz: samples a second, 200 to 1000.

    Raises:
        InputError: pydicom is not installed, another rate, a voltage beyond
            32 mV, or the file reads back otherwise.
    """
    try:
        import pydicom
        from pydicom.dataset import Dataset, FileMetaDataset
        from pydicom.uid import (
            ExplicitVRLittleEndian,
            TwelveLeadECGWaveformStorage,
            generate_uid,
        )
    except ImportError as error:
        raise InputError(
            f"DICOM needs a package ({error}): pip install 'ecg_keras[dicom]'"
        ) from error
    if not RATES_HZ[0] <= rate_hz <= RATES_HZ[1]:
        raise InputError(
            f"{path}: DICOM takes 200 to 1000 samples a second. Received: "
            f"--rate-hz {rate_hz}"
        )
    shown = np.isfinite(signals_mv)
    steps = np.round(np.where(shown, signals_mv, 0) * STEPS_PER_MV)
    if np.abs(steps).max() > 32767:
        raise InputError(
            f"{path}: DICOM takes voltages up to 32 mV. Received: "
            f"{np.nanmax(np.abs(signals_mv)):.1f} mV"
        )
    steps = np.where(shown, steps, NOT_SHOWN).astype("<i2")

    def code(value, scheme, meaning):
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator = value, scheme
        item.CodeMeaning = meaning
        return item

    channels = []
    for lead, number in _LEAD_CODES.items():
        channel = Dataset()
        channel.ChannelLabel = lead
        source = code(f"2:{number}", "MDC", f"Lead {lead}")
        channel.ChannelSourceSequence = [source]
        channel.ChannelSensitivity = "1"
        unit = code("uV", "UCUM", "microvolt")
        channel.ChannelSensitivityUnitsSequence = [unit]
        channel.ChannelSensitivityCorrectionFactor = "1"
        channel.ChannelBaseline = "0"
        channel.ChannelTimeSkew = "0"
        channel.WaveformBitsStored = 16
        channels.append(channel)
    waveform = Dataset()
    waveform.MultiplexGroupTimeOffset = "0"
    waveform.WaveformOriginality = "DERIVED"
    waveform.NumberOfWaveformChannels = len(LEADS)
    waveform.NumberOfWaveformSamples = len(steps)
    waveform.SamplingFrequency = str(rate_hz)
    waveform.MultiplexGroupLabel = "RHYTHM"
    waveform.ChannelDefinitionSequence = channels
    waveform.WaveformBitsAllocated = 16
    waveform.WaveformSampleInterpretation = "SS"
    waveform.WaveformPaddingValue = np.array(NOT_SHOWN, "<i2").tobytes()
    waveform.WaveformData = steps.tobytes()

    now = datetime.datetime.now()
    # The same signals get the same numbers.
    digest = hashlib.sha256(steps.tobytes()).hexdigest()
    file = Dataset()
    file.SOPClassUID = TwelveLeadECGWaveformStorage
    file.SOPInstanceUID = generate_uid(entropy_srcs=[digest, "instance"])
    file.StudyInstanceUID = generate_uid(entropy_srcs=[digest, "study"])
    file.SeriesInstanceUID = generate_uid(entropy_srcs=[digest, "series"])
    for name in (
        "PatientName", "PatientID", "PatientBirthDate", "PatientSex",
        "StudyDate", "StudyTime", "StudyID", "AccessionNumber",
        "ReferringPhysicianName", "Laterality",
    ):  # fmt: skip
        setattr(file, name, "")
    file.Modality = "ECG"
    file.Manufacturer = "ecg_keras"
    file.SoftwareVersions = __version__
    file.SeriesNumber, file.InstanceNumber = "1", "1"
    file.ContentDate = now.strftime("%Y%m%d")
    file.ContentTime = now.strftime("%H%M%S")
    file.AcquisitionDateTime = now.strftime("%Y%m%d%H%M%S")
    file.AcquisitionContextSequence = []
    file.WaveformSequence = [waveform]
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.file_meta.MediaStorageSOPClassUID = file.SOPClassUID
    file.file_meta.MediaStorageSOPInstanceUID = file.SOPInstanceUID
    with replacing(path) as partial:
        file.save_as(partial, enforce_file_format=True)
        found = pydicom.dcmread(partial).WaveformSequence[0].WaveformData
        if found != steps.tobytes():
            raise InputError(f"{path}: what was written reads back otherwise")

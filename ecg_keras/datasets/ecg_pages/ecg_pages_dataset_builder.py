"""TFDS: pages of paper ECGs and what they show, split by record.

    cd ecg_keras/datasets/ecg_pages
    pip install 'ecg_keras[tfds]'                    # what the command needs
    tfds build --config folder --manual_dir DATA     # a folder of records
    tfds build --config rendered                     # drawn on the fly
    tfds build --config folder --file_format array_record --manual_dir DATA

The configs `folder_beam` and `rendered_beam` make the examples with Apache
Beam, on one machine or, with `--beam_pipeline_options`, on a cluster.
"""

import dataclasses

import numpy as np
import tensorflow_datasets as tfds

from ecg_keras.drawing.folder import RenderConfig, draw_record
from ecg_keras.ecg.leads import N_LEADS, N_SAMPLES
from ecg_keras.ecg.records import (
    ALL_TYPES,
    IMAGE_TYPES,
    read_records,
    read_signals,
    split_records,
    training_count,
)
from ecg_keras.ecg.resampling import to_grid
from ecg_keras.page.images import read_image

_DESCRIPTION = """
Images of printed 12-lead ECGs (3x4 leads and a rhythm strip, 25 mm/s, 10 mm/mV:
as rendered, scanned, photographed, stained, damaged, mouldy) with the signals
that they show, in mV at 500 Hz. From a folder in the layout of the competition
"PhysioNet - Digitization of ECG Images", or drawn from simulated signals.
"""
_CITATION = """
@misc{ecg_keras, title={ecg_keras: images of paper ECGs to signals}}
@misc{physionet_digitization_2025,
  title={PhysioNet - Digitization of ECG Images},
  howpublished={Kaggle competition}, year={2025}}
"""
_LICENCE = (
    "Rendered pages: Apache-2.0, as the package. Pages of a folder: as the "
    "folder's; the competition's data may be used under its rules only."
)


@dataclasses.dataclass
class PagesConfig(tfds.core.BuilderConfig):
    """What a config of the dataset holds.

    Attributes:
        render: what is drawn; None reads the folder of `--manual_dir`.
        beam: make the examples with Apache Beam.
    """

    render: RenderConfig | None = None
    beam: bool = False


class Builder(tfds.core.GeneratorBasedBuilder):
    """The dataset `ecg_pages`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    For the config `folder`: manual_dir is a folder in the competition's layout
    (train.csv, train/ID/ID.csv, train/ID/ID-TYPE.png), such as the
    competition's own or what `python -m ecg_keras render` writes.
    """
    BUILDER_CONFIGS = [
        PagesConfig(name="folder", description="A folder of records."),
        PagesConfig(
            name="folder_beam",
            description="A folder of records, read by Apache Beam.",
            beam=True,
        ),
        PagesConfig(
            name="rendered",
            description="100 simulated records, all types of images.",
            render=RenderConfig(records=100, images=(ALL_TYPES,)),
        ),
        PagesConfig(
            name="rendered_beam",
            description="100 simulated records, drawn by Apache Beam.",
            render=RenderConfig(records=100, images=(ALL_TYPES,)),
            beam=True,
        ),
    ]

    def _info(self):
        signals = tfds.features.Tensor(
            shape=(N_LEADS, N_SAMPLES),
            dtype=np.float32,
            encoding="zlib",
            doc="mV at 500 Hz, in the order of ecg_keras.LEADS",
        )
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            citation=_CITATION,
            license=_LICENCE,
            homepage="https://physionet.org",
            supervised_keys=("image", "signals"),
            features=tfds.features.FeaturesDict({
                "image": tfds.features.Image(
                    shape=(None, None, 3), doc="the page, RGB, as stored"
                ),
                "signals": signals,
                "printed": tfds.features.Tensor(
                    shape=(N_LEADS, N_SAMPLES),
                    dtype=np.uint8,
                    encoding="zlib",
                    doc="1 where the page shows the lead",
                ),
                "fs": tfds.features.Scalar(
                    dtype=np.int32, doc="samples a second of the source, Hz"
                ),
                "type": tfds.features.ClassLabel(names=list(IMAGE_TYPES)),
                "id": tfds.features.Text(doc="the record"),
            }),
        )  # fmt: skip

    def _split_generators(self, dl_manager):
        render = self.builder_config.render
        if render is None:
            records = read_records(dl_manager.manual_dir, (ALL_TYPES,))
            training, validation = split_records(records)
        else:
            n_training = training_count(render.records)
            training = range(n_training)
            validation = range(n_training, render.records)
        return {
            "train": self._generate_examples(training),
            "validation": self._generate_examples(validation),
        }

    def _generate_examples(self, records):
        render = self.builder_config.render
        if self.builder_config.beam:
            beam = tfds.core.lazy_imports.apache_beam
            return beam.Create(_sendable(records)) | beam.FlatMap(
                _examples, render=render
            )
        return (
            pair for record in records for pair in _examples(record, render)
        )


def _sendable(records):
    """Records as Beam can send them to its workers."""
    return [
        dataclasses.replace(record, image_paths=dict(record.image_paths))
        if dataclasses.is_dataclass(record)
        else record
        for record in records
    ]


def _examples(record, render):
    """(key, example) of each image of a record.

    Args:
        record: `records.Record`, or the number of a record to draw.
        render: `RenderConfig`, or None.
    """
    if render is None:
        signals_mv, printed = read_signals(record)
        record_id, rate_hz = record.id, record.rate_hz
        pictures = (
            (kind, read_image(path))
            for kind, path in record.image_paths.items()
        )
    else:
        record_id = f"{record:06d}"
        rate_hz, _, table_mv, drawn = draw_record(render, record)
        signals_mv, printed = to_grid(table_mv, rate_hz)
        pictures = ((kind, picture) for kind, picture, _ in drawn)
    for kind, picture in pictures:
        yield (
            f"{record_id}-{kind}",
            {
                "image": picture,
                "signals": signals_mv.astype(np.float32),
                "printed": printed.astype(np.uint8),
                "fs": rate_hz,
                "type": kind,
                "id": record_id,
            },
        )

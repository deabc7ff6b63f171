"""What differs between the models that `train.py --model` trains.

A task builds and compiles its model, and says which batches it learns from and
how it is validated (`regressor_task`, `tracer_tasks`, `names_task`); all else
of a run is in `loop`.
"""

from ecg_keras.training.names_task import NamesTask
from ecg_keras.training.regressor_task import RegressorTask
from ecg_keras.training.tracer_tasks import (
    FrameTask,
    PhotoFrameTask,
    PoseTask,
    TracerTask,
)

TASKS = {
    "regressor": RegressorTask,
    "tracer": TracerTask,
    "frame": FrameTask,
    "photo_frame": PhotoFrameTask,
    "pose": PoseTask,
    "names": NamesTask,
}

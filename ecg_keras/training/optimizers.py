"""The optimizers of a run, and how their learning rates change."""

import keras

# A cosine from the learning rate to this part of it.
LAST_RATE = 0.01
WARMUP_STEPS = 100


def warm_cosine(config):
    """A warm-up, then a cosine over the whole run of a tracer's network.

    Args:
        config: a `config.TrainConfig`.
    """
    n_steps = config.epochs * config.tracer_steps
    return keras.optimizers.schedules.CosineDecay(
        config.learning_rate / 10,
        max(n_steps - WARMUP_STEPS, 1),
        alpha=LAST_RATE,
        warmup_target=config.learning_rate,
        warmup_steps=WARMUP_STEPS,
    )


def new_optimizer(config, learning_rate):
    """The optimizer that a `TrainConfig` asks for.

    Args:
        learning_rate: a number or a schedule.
    """
    of_kind = getattr(keras.optimizers, config.optimizer)
    return of_kind(learning_rate, weight_decay=config.weight_decay)

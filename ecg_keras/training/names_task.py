"""What `train.py` trains to read names of leads and scales; see `tasks`."""

import keras

from ecg_keras.data.name_batches import load_ink_pages, name_batches
from ecg_keras.models.layout.name_network import build_name_network
from ecg_keras.training.losses import NameLoss
from ecg_keras.training.tracer_tasks import NetworkTask
from ecg_keras.training.validation import NameValidation


class NamesTask(NetworkTask):
    """The name network, on parts of straightened pages of any maker."""

    monitor = "val_found"

    def build(self):
        network = build_name_network()
        if self.weights != "none" and not self.config.resume:
            trained = keras.saving.load_model(self.weights, compile=False)
            # A network that knew fewer classes has other last weights.
            for layer in network.layers:
                own = trained.get_layer(layer.name).get_weights()
                if _shapes(own) == _shapes(layer.get_weights()):
                    layer.set_weights(own)
                else:
                    print(f"  {layer.name} begins anew")
        return network

    def load(self, training, validation, on_bad=None):
        """Straighten the pages; see `name_batches.load_ink_pages`."""
        self.training = load_ink_pages(training, on_bad)
        self.validated = load_ink_pages(validation, on_bad)

    def assembled(self, model):
        """The network itself is what is saved."""
        return model

    def batches(self, first_epoch):
        return name_batches(
            self.training,
            self.config.batch_size,
            self.config.tracer_steps,
            self.config.seed,
            first_epoch,
        )

    def validation(self):
        return NameValidation(self.validated, self._loss(), self.config.seed)

    def _loss(self):
        return NameLoss()


def _shapes(weights):
    return [weight.shape for weight in weights]

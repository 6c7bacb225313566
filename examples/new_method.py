"""A method of your own in one file: locality-sensitive hashing, whose codes are the signs of a random projection. It learns nothing.

    python examples/new_method.py                       # a run on DIGITS, and its mAP
    python examples/new_method.py train LSH -h          # every command of biodeephashing, with the method installed
    python src/eval/compare.py -exp first -db DIGITS    # the run beside others of its experiment

The features f of two images at an angle θ agree in a bit sign(w · f), w normal, with probability 1 - θ / π (Charikar, Similarity
Estimation Techniques from Rounding Algorithms, STOC 2002); here f are the outputs of a backbone, and -projection sign makes w of ±1.
"""

import sys
from dataclasses import dataclass

from biodeephashing.cli import run as run_command
from biodeephashing.runs import METHODS, Run, register_method

if "LSH" not in METHODS:  # this file may be loaded twice: as a script, and as the module that is named here
    register_method("LSH", settings="new_method:Settings", method="new_method:METHOD")
if __name__ == "__main__" and sys.argv[1:]:  # -h is answered before the imports that take seconds
    raise SystemExit(run_command())

import torch

from biodeephashing.backbones import build_network
from biodeephashing.commands import evaluate, predict, train
from biodeephashing.data.sets.dataset import public_dataset
from biodeephashing.errors import guard
from biodeephashing.models.network_method import NetworkMethod, save_network
from biodeephashing.settings import NetworkSettings, setting
from biodeephashing.training.status import recorded_training


@dataclass(frozen=True)
class Settings(NetworkSettings):
    method = "LSH"
    projection: str = setting("normal", "projection", "how w is drawn", choices=("normal", "sign"), named="always")


class LSH(NetworkMethod):
    def train(self, run: Run, settings: Settings, reporting: object) -> None:
        torch.manual_seed(settings.seed)
        network = build_network(settings.backbone, bits=settings.number_of_bits, weights=settings.weights)  # its hash layer is normal
        if settings.projection == "sign":
            network.hash_layer.weight.data.sign_()
        with recorded_training(run, settings, anew=settings.no_skip):
            save_network(run, network)


METHOD = LSH()


def main() -> None:
    public_dataset("DIGITS").prepare()
    settings = Settings("first", "DIGITS", architecture="lenet", number_of_bits=32, transformations="none", num_workers=0)
    train.train(settings)
    print(f"mAP {evaluate.evaluate(predict.predict(settings), quiet=True)['query']['mAP_expected']:.4f}")


if __name__ == "__main__":
    raise SystemExit(guard(main))

"""A folder of images of your own, from the first picture to the score: draw, prepare, train, predict, evaluate.

    python examples/own_images.py
    python examples/own_images.py -to FOLDER

The pictures are discs, squares and triangles in random colours, places and sizes, one sub-folder per class; any folder of photographs
works the same way. Everything lies below FOLDER, or below a folder of its own that is removed at the end. On a command line it would be

    python src/models/PenaltyStrategies/train.py   -exp shapes -db FOLDER:shapes -trf none -arch bio-lenet -mode frsf ...
    python src/models/PenaltyStrategies/predict.py -exp shapes -db FOLDER:shapes -trf none -arch bio-lenet -mode frsf ...
    python src/eval/eval_map.py -p RUN
"""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biodeephashing.errors import guard
from biodeephashing.models.PenaltyStrategies import Settings
from biodeephashing.runs import HOME_VARIABLE
from biodeephashing.settings.strict_parser import StrictParser

if TYPE_CHECKING:
    from PIL import ImageDraw

PER_CLASS, SIDE = 120, 32
Box = tuple[int, int, int, int]
SHAPES: dict[str, Callable[[ImageDraw.ImageDraw, Box, str], None]] = {
    "disc": lambda pen, box, colour: pen.ellipse(box, fill=colour),
    "square": lambda pen, box, colour: pen.rectangle(box, fill=colour),
    "triangle": lambda pen, box, colour: pen.polygon([(box[0], box[3]), (box[2], box[3]), ((box[0] + box[2]) // 2, box[1])], fill=colour),
}
SETTINGS = {
    "experiment_name": "shapes",
    "transformations": "none",  # the pictures are of one size already; photographs take "imagenet"
    "architecture": "bio-lenet",
    "mode": "frsf",
    "loss": "DCH",
    "number_of_bits": 16,
    "batch_size": 32,
    "epochs": 12,
    "learning_rate": 1e-3,
    "num_workers": 0,
    "device": "cpu",
    "tracking": "off",  # leave that out, and compare.py and MLflow know the run
}


def draw(folder: Path) -> None:
    """Draw the images of every class into a sub-folder of its name."""
    from PIL import Image, ImageDraw

    chance = random.Random(0)
    for name, shape in SHAPES.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(PER_CLASS):
            ground, colour = (f"hsl({chance.randrange(360)}, 60%, {light}%)" for light in (15, 80))
            size = chance.randint(18, 24)
            left, top = chance.randint(3, SIDE - size - 3), chance.randint(3, SIDE - size - 3)
            image = Image.new("RGB", (SIDE, SIDE), ground)
            shape(ImageDraw.Draw(image), (left, top, left + size, top + size), colour)
            image.save(folder / name / f"{number:03d}.png")


def walk(folder: Path) -> dict[str, Any]:
    """Go all the way with a folder of class folders, and return what the evaluation of the queries holds."""
    from biodeephashing.commands.evaluate import evaluate
    from biodeephashing.commands.predict import predict
    from biodeephashing.commands.train import train
    from biodeephashing.data.own.images import prepare_own

    outcome = prepare_own(folder)
    print(outcome.split.caption)
    run = train(Settings.from_mapping(SETTINGS | {"database": f"FOLDER:{folder}"}, __file__))
    return evaluate(predict(run.settings()))["query"]


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Draw, and go all the way."""
    parser = StrictParser(description="Train on a folder of drawn images, as if it were your own.")
    parser.add_argument("-to", "--to", type=Path, metavar="FOLDER", help="where to put everything; without it, it is removed")
    arguments = parser.parse_args(argv)
    before = os.environ.get(HOME_VARIABLE)
    with tempfile.TemporaryDirectory() as passing:
        home = arguments.to or Path(passing)
        os.environ[HOME_VARIABLE] = str(home.absolute())  # the root below which data/, models/, eval/ and experiments/ lie
        try:
            draw(home / "shapes")
            return walk(home / "shapes")
        finally:
            os.environ.pop(HOME_VARIABLE)
            if before is not None:
                os.environ[HOME_VARIABLE] = before


if __name__ == "__main__":
    raise SystemExit(guard(main))

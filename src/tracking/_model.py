"""A model as MLflow keeps it: a Python file, the modules it imports and an exported network, nothing pickled."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import Model, ModelSignature
from mlflow.types.schema import ColSpec, Schema
from PIL import Image

from ._tracker import ModelFiles


def save_model(folder: Path, model: ModelFiles) -> None:
    """Write a model that maps image files to codes, with an example of two images.

    Args:
        folder: where it goes.
        model: what it consists of.
    """
    inputs = Schema([ColSpec("binary", "image")])
    outputs = Schema([ColSpec(kind, name) for name, kind in model.outputs.items()])
    mlflow.pyfunc.save_model(
        folder,
        python_model=str(model.code),
        code_paths=[str(path) for path in model.sources.iterdir()],
        artifacts={"export": str(model.export)},
        pip_requirements=list(model.requirements),
        signature=ModelSignature(inputs, outputs),
        input_example=pd.DataFrame({"image": [_png(seed) for seed in range(2)]}),
    )
    _forget_places(folder)


def _forget_places(folder: Path) -> None:
    """Take the paths of this machine out of a model: nobody needs them who opens it."""
    known = Model.load(folder)
    facts = known.flavors["python_function"]
    facts["model_code_path"] = Path(facts["model_code_path"]).name
    for artifact in facts["artifacts"].values():
        artifact["uri"] = artifact["path"]
    known.save(folder / "MLmodel")


def _png(seed: int) -> bytes:
    stream = BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (16, 16, 3), np.uint8)).save(stream, "PNG")
    return stream.getvalue()

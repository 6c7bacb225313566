"""An exported network as MLflow serves it: MLflow copies this file into a model and runs it there, with the modules it names beside it."""

from __future__ import annotations

import base64
import binascii
from io import BytesIO
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException

from biodeephashing.commands.searching.exported import Exported, image_of
from biodeephashing.errors import DataError

_BATCH = 64  # images of a forward pass


class ImageHasher(mlflow.pyfunc.PythonModel):
    """Maps the bytes of image files to codes."""

    def load_context(self, context: Any) -> None:
        """Open the export that the model has."""
        self.exported = Exported(Path(context.artifacts["export"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Return a row with the code of each image, in hexadecimal digits, and its class where the run learned to tell classes.

        Args:
            context: not needed.
            model_input: has a column ``image`` of bytes, or of their Base64 text.
            params: none are known.

        Raises:
            MlflowException: naming the row, when an image cannot be read; status 400.
        """
        rows: list[dict[str, Any]] = []
        images = list(model_input["image"])
        for start in range(0, len(images), _BATCH):
            part = images[start : start + _BATCH]
            rows += self._rows(np.stack([self._pixels(start + number, content) for number, content in enumerate(part)]))
        return pd.DataFrame(rows)

    def _rows(self, pixels: Any) -> list[dict[str, Any]]:
        hashed = self.exported.hashed(pixels)
        rows: list[dict[str, Any]] = [{"code": code.tobytes().hex(), "bits": self.exported.bits} for code in hashed.codes]
        if hashed.probabilities is not None:
            for row, probabilities in zip(rows, hashed.probabilities, strict=True):
                row["class"], row["probability"] = self.exported.prediction(probabilities)
        return rows

    def _pixels(self, row: int, content: Any) -> Any:
        if not isinstance(content, (bytes, str)):
            raise MlflowException.invalid_parameter_value(f"the image in row {row} is no file content but a {type(content).__name__}")
        try:
            image = image_of(BytesIO(_decoded(content)), f"in row {row}")
        except DataError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error
        return self.exported.pixels(image)


def _decoded(content: bytes | str) -> bytes:
    """Return the bytes of an image file, which MLflow hands over as Base64 text where a request does not name columns."""
    plain = content.encode() if isinstance(content, str) else content
    try:
        return base64.b64decode(plain, validate=True)
    except binascii.Error:  # what no image file is
        return plain


mlflow.models.set_model(ImageHasher())

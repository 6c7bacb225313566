"""Reading weights that MatConvNet published, such as those of CNN-F (imagenet-vgg-f.mat)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.io import loadmat
from torch import Tensor

from ..preprocessing import IMAGENET
from ._base import StateDict


def read_matconvnet(path: Path, names: Iterable[str]) -> StateDict:
    r"""Return the weights of the layers of a file, in their order, under the names that a backbone gives its own, without those beyond.

    The published network takes pixels from 0 to 255 less the colour :math:`m` of the mean image. Its first layer is changed so that it
    takes images as usual for ImageNet, with mean μ and deviation σ of pixels from 0 to 1:

    .. math:: W'_c = 255\, \sigma_c W_c, \qquad b' = b + \sum_{c, h, w} W_{c, h, w} (255\, \mu_c - m_c)

    Args:
        path: the file.
        names: keys of the backbone's own state dict, in its order.

    Raises:
        Exception: of many types, for a file that is not one of MatConvNet.
    """
    content = loadmat(path, appendmat=False)
    layers = [layer[0, 0] for layer in content["layers"].ravel()]
    parts = [pair for layer in layers if (pair := _weights_of(layer)) is not None]
    record = content["normalization"] if "normalization" in content else content["meta"][0, 0]["normalization"]
    colour = torch.from_numpy(np.asarray(record[0, 0]["averageImage"], np.float64).reshape(-1, 3).mean(axis=0))
    weight, bias = (part.double() for part in parts[0])
    mean, deviation = (255 * torch.tensor(values, dtype=torch.float64) for values in (IMAGENET.mean, IMAGENET.std))
    bias = bias + (weight.sum(dim=(2, 3)) * (mean - colour)).sum(dim=1)
    parts[0] = (weight * deviation[:, None, None]).float(), bias.float()
    own = [name.removesuffix(".weight") for name in names if name.endswith(".weight")]
    return {
        f"{name}.{kind}": part for name, pair in zip(own, parts, strict=False) for kind, part in zip(("weight", "bias"), pair, strict=True)
    }


def _weights_of(layer: Any) -> tuple[Tensor, Tensor] | None:
    """Return the filters, (out, in, H, W), and the biases of a layer; None for one that has none."""
    fields = layer.dtype.names or ()
    if "weights" in fields and layer["weights"].size:
        filters, biases = layer["weights"].ravel()[:2]
    elif "filters" in fields:  # older files
        filters, biases = layer["filters"], layer["biases"]
    else:
        return None
    turned = np.asarray(filters, np.float32).transpose(3, 2, 0, 1)
    return torch.from_numpy(turned.copy()), torch.from_numpy(np.asarray(biases, np.float32).ravel().copy())

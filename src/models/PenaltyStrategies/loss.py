"""The loss of a run with its penalties."""

from __future__ import annotations

from typing import Any

import torch

from ...data import Metadata
from ...errors import UsageError
from ...losses import LOSSES, PENALTIES, HashingLoss, keywords_of, similar_probability
from ...settings.constants import parse_constants
from .settings import Settings


def build_loss(settings: Settings, train_fold: Metadata) -> HashingLoss:
    """Build the loss of a run with its penalties, for the facts of the train fold."""
    labels, kind = train_fold.labels, LOSSES[settings.loss]
    if kind.needs_all_codes and not train_fold.present.all():
        raise UsageError(
            f"{settings.loss} solves for the codes of all train items, and {int((~train_fold.present).sum()):,} of "
            f"{len(train_fold):,} have no image: choose another loss"
        )
    loss = kind(
        bits=settings.number_of_bits,
        classes=labels.shape[1],
        train_size=len(labels),
        similar_probability=similar_probability(torch.from_numpy(labels)),
        penalty=settings.penalty,
        cube=not settings.no_cube,
        multi_label=bool((labels.sum(axis=1) > 1).any()),
        bank=settings.bank,
        **_constants(settings),
    )
    for name, weight in settings.penalties.items():
        loss.add_penalty(PENALTIES[name](), weight)
    return loss


def _constants(settings: Settings) -> dict[str, Any]:
    """Return the constants that the run sets; they cannot set what all losses share."""
    constants = parse_constants(settings.constants)
    for name in constants.keys() & keywords_of(HashingLoss).keys():
        raise UsageError(f"-constants {name}=...: {name} is not a constant of the method, the run sets it")
    return constants

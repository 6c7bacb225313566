"""The plan of a training, printed before the first epoch so that a wrong setting shows at once."""

from __future__ import annotations

from collections.abc import Mapping

from ..data import Metadata
from ..data.images.feeding import single_image_left
from ..settings import TrainingSettings
from .feeding import preprocessing_line
from .notes import notes_of
from .validation import Validation


def plan_of(
    settings: TrainingSettings, folds: Mapping[str, Metadata], validation: Validation, *, sampled: int | None = None
) -> list[str]:  # fmt: skip
    """Return what a training will do, a line each.

    Args:
        settings: the run's settings.
        folds: the folds of the dataset by name, among them "train".
        validation: how the val fold is ranked.
        sampled: train images that an epoch draws; None for all.
    """
    seen = {name: fold.rows(fold.present) for name, fold in folds.items()}
    items = settings.items
    sizes = ", ".join(f"{name} {len(fold):,} {items} of {int(fold.labels.any(axis=0).sum()):,} classes" for name, fold in seen.items())
    count = len(seen["train"])
    drawn = f"; an epoch draws {sampled:,} of the {count:,} train {items}" if sampled not in (None, count) else ""
    return [
        f"data: {settings.database}: {sizes}",
        f"validation: {validation.line(items)}",
        preprocessing_line(settings),
        f"batches: {_batches(settings, count if sampled is None else sampled)}{drawn}",
        *(f"note: {note}" for note in notes_of(settings)),
    ]


def _batches(settings: TrainingSettings, count: int) -> str:
    size, share = settings.batch_size, count // settings.devices
    joined = single_image_left(share, size // settings.devices)
    each = f"{-(-share * settings.devices // size) - joined:,} of {size:,} {settings.items} an epoch"
    if not joined:
        return each
    return f"{each}; the last has {size + settings.devices:,}, because one alone is no batch to learn from"

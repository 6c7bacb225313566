"""What all public datasets have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from typing import Any, cast

from ...errors import DataError
from ..catalogue import check_protocol, declared, protocols_of
from ..prepare.content import DatasetContent
from ..prepare.write import prepare
from ..split import Split

FIRST_TRAINING = "-bs 128 -ep 20 -arch bio-vgg16 -loss DCH -nbits 32 -mode fa"
FIRST_PAIR_TRAINING = "-bs 128 -ep 20 -arch bio-resnet18 -mode frsf -loss DCMH -nbits 32"
FIRST_SMALL_PAIR_TRAINING = "-trf dataset -arch bio-lenet -text_arch bio-mlp -loss DSPH -nbits 32 -mode frsf -bs 128 -ep 12"
Flags = dict[str, dict[str, Any]]  # what differs from the usual, by flag


@dataclass(frozen=True)
class PublicDataset:
    """A public dataset.

    Args:
        name: of its file, its scripts and its directory below ``data/raw/``.
        content: returns what a protocol, and the options of its ``process`` script, make of the files.
        download: brings the files; takes the options of its ``download`` script, and returns what there is to say and whether it is
            complete. None if there is nothing to download.
        first_training: settings of a first training, to propose.
        first_pair_training: the same for its splits with texts.
    """

    name: str
    content: Callable[..., DatasetContent]
    download: Callable[..., tuple[str, bool]] | None = None
    first_training: str = FIRST_TRAINING
    first_pair_training: str = FIRST_PAIR_TRAINING

    def prepare(
        self, protocol: str | None = None, *, no_skip: bool = False, skip_unreadable: Fraction = Fraction(), **options: Any
    ) -> tuple[Split, bool]:
        """Write a split to ``data/processed/<protocol>/``, unless it is there already; image files are linked where possible.

        Args:
            protocol: name of the split; None is the default.
            no_skip: write it again even if it is there.
            skip_unreadable: the largest share of the images that may be left out because they cannot be decoded.
            options: further options of its ``process`` script.

        Returns:
            The facts about the split, and whether it was written now.

        Raises:
            UnknownNameError: for an unknown protocol.
            DataError: if the download or an image is missing or damaged, or the dataset was prepared from a part and that is not allowed.
        """
        protocol = protocol or protocols_of(self.name)[0]
        check_protocol(self.name, protocol)
        split, written = prepare(protocol, lambda: self.content(protocol, **options), no_skip=no_skip, skip_unreadable=skip_unreadable)
        if split.partial and "-allow_partial" in declared(self.name)["PREPARE_FLAGS"] and not options.get("allow_partial"):
            raise DataError(
                f"{protocol} is prepared from {split.note}: complete the download (`python src/data/download/{self.name}.py`) and run "
                f"this command with -no_skip, or give -allow_partial to keep it"
            )
        return split, written


def public_dataset(name: str) -> PublicDataset:
    """Return a public dataset by its name.

    Example:
        >>> public_dataset("DIGITS").prepare.__name__
        'prepare'
    """
    return cast(PublicDataset, import_module(f"{__package__}.{name}").DATASET)

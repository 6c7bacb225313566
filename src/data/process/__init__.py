"""One script per public dataset, and four for own images, features and files of other code bases: prepares it in ``data/processed/``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from biodeephashing.data.parsers import process_parser


def entrance(name: str, description: str | None) -> Callable[..., None]:
    """Return what the script of a public dataset runs.

    Args:
        name: the dataset.
        description: what the script does.
    """

    def main(argv: Sequence[str] | None = None) -> None:
        """Run the command line."""
        options = process_parser(name, description).parse_args(argv)
        from biodeephashing.commands.prepare import prepare_public

        prepare_public(name, options)

    return main


def main(words: Sequence[str]) -> None:
    """Run the command line of a dataset without a script; its first word names the dataset."""
    entrance(words[0], f"Prepare {words[0]}.")(words[1:])

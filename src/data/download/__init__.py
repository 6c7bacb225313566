"""One script per public dataset: brings its files to ``data/raw/``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from biodeephashing.data.parsers import download_parser


def entrance(name: str, description: str | None) -> Callable[..., int]:
    """Return what the script of a public dataset runs.

    Args:
        name: the dataset.
        description: what the script does.
    """

    def main(argv: Sequence[str] | None = None) -> int:
        """Run the command line."""
        options = download_parser(name, description).parse_args(argv)
        from biodeephashing.commands.download import download

        return download(name, options)

    return main


def main(words: Sequence[str]) -> int:
    """Run the command line of a dataset without a script; its first word names the dataset."""
    return entrance(words[0], f"Download {words[0]}.")(words[1:])

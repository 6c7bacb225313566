"""Download CIFAR-10 (Krizhevsky, Learning multiple layers of features from tiny images, 2009) to data/raw/CIFAR_10/."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

from biodeephashing.arguments import StrictParser
from biodeephashing.errors import DataError, UsageError, guard

if TYPE_CHECKING:
    from biodeephashing.data._cifar import Official

_ADVICE = (
    "On a machine without network, copy the archive (or the folder of its files) from elsewhere and run "
    "`python src/data/download/CIFAR_10.py -from PATH`; `-url URL` takes it from a mirror."
)
_UNPACKED = 1 << 28  # bytes; the archive holds 186 MB


def download(
    source: Path | None = None, url: str | None = None, *, official: Official | None = None, pause: float = 1.0, timeout: float = 30.0
) -> list[str]:
    """Bring the files of CIFAR-10 to ``data/raw/CIFAR_10/cifar-10-batches-py/``, each verified before it gets its name.

    Args:
        source: an archive or a folder that is already on disk; None downloads.
        url: where to download from; None is the publisher's address.
        official: addresses and checksums.
        pause: seconds before a second attempt.
        timeout: seconds to wait for the server.

    Returns:
        The files that are still missing; empty after a complete download.

    Raises:
        UsageError: when both a source and an address are given, or the address cannot be one.
        DataError: when the files cannot be had or are not the official ones.
    """
    from filelock import FileLock

    from biodeephashing.checksums import digest
    from biodeephashing.data import _cifar
    from biodeephashing.data._fetch import fetch
    from biodeephashing.runs import raw_folder

    if source and url:
        raise UsageError("-from takes what is on disk and -url what is on a server: give one of them")
    official = official or _cifar.Official()
    raw = raw_folder(_cifar.DATABASE)
    folder = raw / _cifar.FOLDER
    raw.mkdir(parents=True, exist_ok=True)
    with FileLock(raw.with_name(f".{raw.name}.lock")):
        if len(_cifar.verified(folder, official)) == len(official.files):
            return []
        if source is None:
            source = raw / official.url.rpartition("/")[2]
            if not source.is_file():
                fetch(url or official.url, source, md5=official.md5, advice=_ADVICE, pause=pause, timeout=timeout)
            elif digest(source, "md5") != official.md5:
                raise DataError(f"{source} is damaged (its MD5 is not {official.md5}): delete it and run this command again")
        _take(source, folder, official)
        present = _cifar.verified(folder, official)
    return [name for name in official.files if name not in present]


def _take(source: Path, folder: Path, official: Official) -> None:
    """Copy what a folder or an archive holds of the official files and is not there yet."""
    from biodeephashing.data import _archives, _cifar

    if source.is_dir():
        inner = source / _cifar.FOLDER if (source / _cifar.FOLDER).is_dir() else source
        found = [name for name in official.files if (inner / name).is_file()]
        if not found:
            raise DataError(f"{source} holds none of the files of CIFAR-10 ({', '.join(official.files)})")
        for name in found:
            with (inner / name).open("rb") as file:
                _copy(file, str(inner / name), folder / name, official.files[name])
    elif source.is_file():
        for name, stream in _archives.members(source, _cifar.FOLDER, [*official.files, _cifar.README], limit=_UNPACKED):
            if name in official.files:
                _copy(stream, f"{name} in {source}", folder / name, official.files[name])
    else:
        raise DataError(f"there is no file or folder {source}: -from takes the archive of CIFAR-10 or the folder of its files")


def _copy(stream: IO[bytes], origin: str, target: Path, md5: str) -> None:
    from biodeephashing.checksums import copy_and_digest
    from biodeephashing.runs import replacing

    if target.exists():  # raw data is never changed; it was verified before
        return
    with replacing(target) as temporary, temporary.open("wb") as copy:
        found = copy_and_digest(stream, copy, "md5")
        if found != md5:
            raise DataError(f"{origin} is not the official file (its MD5 is {found}, not {md5}): get it again; it was not taken over")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = StrictParser(description=__doc__)
    parser.add_argument("-from", "--from", dest="source", type=Path, metavar="PATH", help="archive or folder that is already on disk")
    parser.add_argument("-url", "--url", help="mirror to download the archive from")
    options = parser.parse_args(argv)
    missing = download(options.source, options.url)
    if missing:
        print(f"CIFAR-10 is incomplete: {', '.join(missing)} missing in data/raw/CIFAR_10/")
        print("next: python src/data/process/CIFAR_10.py -allow_partial   (or complete it first)")
    else:
        print("CIFAR-10 is complete in data/raw/CIFAR_10/\nnext: python src/data/process/CIFAR_10.py")
    return 1 if missing else 0


if __name__ == "__main__":
    raise SystemExit(guard(main))

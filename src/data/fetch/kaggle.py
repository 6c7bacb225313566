"""Getting ImageNet's archive from Kaggle, whose client wants a token of whoever asks."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

from ...errors import DataError

COMPETITION = "imagenet-object-localization-challenge"
TOKEN = (
    "Kaggle wants to know who asks: make an account on kaggle.com, choose Settings, API, Create Legacy API Key, put the file "
    "kaggle.json that it hands out into ~/.kaggle/ (on Windows, %USERPROFILE%\\.kaggle\\), and let nobody else read it: "
    "chmod 600 ~/.kaggle/kaggle.json"
)
RULES = f"accept the rules of the competition, once, on https://www.kaggle.com/c/{COMPETITION}/rules"
ELSEWHERE = f"`python src/data/download/ImageNet.py -from PATH` takes {COMPETITION}.zip, or the unpacked folder ILSVRC, from disk"


def ask_kaggle(archive: Path) -> None:
    """Download the archive; what has arrived of it lies in a folder of its own until it is whole.

    Args:
        archive: where to put it.

    Raises:
        DataError: when Kaggle does not hand it out, and why.
    """
    waiting = archive.with_name(f"{archive.name}.part")
    waiting.mkdir(exist_ok=True)
    kaggle = _authenticated()
    try:
        kaggle.competition_download_files(COMPETITION, path=str(waiting), quiet=False)
    except (Exception, SystemExit) as error:  # which types it raises changes from version to version
        answer: int = getattr(getattr(error, "response", None), "status_code", 0) or getattr(error, "status", 0)
        todo = {401: f"the token is not valid. {TOKEN}", 403: f"{RULES}, with the account that the token belongs to"}
        why = todo.get(answer, f"{error}; what has arrived is kept, and the same command goes on")
        raise DataError(f"cannot download ImageNet from Kaggle: {why}. {ELSEWHERE}.") from error
    found = waiting / archive.name
    if not found.is_file():
        raise DataError(f"Kaggle's client ended without having written {found}. {ELSEWHERE}.")
    found.replace(archive)
    with contextlib.suppress(OSError):  # a later version of the client may leave a file of its own
        waiting.rmdir()


def _authenticated() -> Any:
    """Return Kaggle's client, which looks for a token as soon as it is imported and ends the program when there is none."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            from kaggle.api.kaggle_api_extended import KaggleApi

            client = KaggleApi()
            client.authenticate()
    except ImportError as error:
        raise DataError(f"the package kaggle is not installed ({error}): pip install -r requirements.txt. {ELSEWHERE}.") from error
    except (Exception, SystemExit) as error:  # as above
        raise DataError(f"Kaggle takes no requests from here. {TOKEN}; then {RULES}. {ELSEWHERE}.") from error
    return client

"""Downloading an archive from Kaggle, whose client needs a token."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

from ...errors import DataError


def download(competition: str, archive: Path, *, access: str, advice: str) -> None:
    """Download the archive of a competition; what has arrived of it lies in a directory of its own until it is whole.

    Args:
        competition: its name on Kaggle.
        archive: the file to write.
        access: in words, how one gets a token and the right to download.
        advice: how to do without Kaggle, for error messages.

    Raises:
        DataError: if Kaggle does not hand it out, and why.
    """
    part = archive.with_name(f"{archive.name}.part")
    part.mkdir(exist_ok=True)
    client = _authenticated(access, advice)
    try:
        client.competition_download_files(competition, path=str(part), quiet=False)
    except (Exception, SystemExit) as error:  # which types it raises changes from version to version
        status: int = getattr(getattr(error, "response", None), "status_code", 0) or getattr(error, "status", 0)
        reasons = {401: f"the token is not valid. {access}", 403: access}
        why = reasons.get(status, f"{error}; what has arrived is preserved, and the same command resumes there")
        raise DataError(f"cannot download {archive.name} from Kaggle: {why}. {advice}.") from error
    if not (part / archive.name).is_file():
        raise DataError(f"Kaggle's client ended without having written {part / archive.name}. {advice}.")
    (part / archive.name).replace(archive)
    with contextlib.suppress(OSError):  # a later version of the client may leave a file of its own
        part.rmdir()


def _authenticated(access: str, advice: str) -> Any:
    """Return Kaggle's client, which looks for a token as soon as it is imported and ends the program when there is none."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            from kaggle.api.kaggle_api_extended import KaggleApi

            client = KaggleApi()
            client.authenticate()
    except ImportError as error:
        raise DataError(f"the package kaggle is not installed ({error}): pip install -r requirements.txt. {advice}.") from error
    except (Exception, SystemExit) as error:  # as above
        raise DataError(f"Kaggle refuses requests from here. {access}. {advice}.") from error
    return client

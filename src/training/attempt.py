"""One attempt to train a run: a process that was taken for dead and wakes up must not write over what the next one does."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from ..errors import RunError
from ..runs import Run, replacing


class SupersededError(RunError):
    """A training whose run another process has taken over."""


@dataclass(frozen=True)
class Attempt:
    """One of the processes that train a run, one after the other.

    Args:
        run: the run.
        word: a random one that ``attempt`` in the run's directory holds, from the start of this attempt to that of the next.
    """

    run: Run
    word: str

    @classmethod
    def begin(cls, run: Run) -> Attempt:
        """Begin an attempt, which ends all earlier ones; the caller holds the run's lock."""
        attempt = cls(run, secrets.token_hex(8))
        with replacing(run.attempt_file) as temporary:
            temporary.write_text(attempt.word, "ascii")
        return attempt

    @property
    def is_current(self) -> bool:
        """Whether no other process has taken the run over."""
        file = self.run.attempt_file
        return file.is_file() and file.read_text("ascii") == self.word

    def check(self) -> None:
        """Refuse to write for a run that another process has taken over.

        Raises:
            SupersededError: if one has.
        """
        if not self.is_current:
            raise SupersededError(f"another process has taken over {self.run}, and this one ends without writing")

    def end(self) -> None:
        """End the attempt, for a run that no process trains any more."""
        self.run.attempt_file.unlink(missing_ok=True)

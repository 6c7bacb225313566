"""Which shards are due, and how each of them ends."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from contextlib import closing

from tqdm import tqdm

from ...data.sources import Shard
from ...executors import Executor, Outcome
from ...runs.shards import Manifest, ShardFolder, ShardNote
from ...settings.strict_parser import command_line
from ...settings.units import Part
from ...surroundings import has_terminal
from ..grids.grid import reason_of


class ShardReport:
    """Reports the shards of a directory.

    Args:
        folder: the directory.
        manifest: what is encoded by what.

    Attributes:
        failures: a message for each shard that failed.
    """

    def __init__(self, folder: ShardFolder, manifest: Manifest) -> None:
        self.folder, self.manifest = folder, manifest
        self.failures: list[str] = []

    def due(self, shards: Sequence[Shard]) -> list[Shard]:
        """Return the shards that are missing or damaged, and print how many are whole and which are damaged."""
        due: list[Shard] = []
        for shard in tqdm(shards, desc="checking", unit="shard", disable=not has_terminal(), leave=False):
            fault = self.folder.fault(shard.number, self.manifest)
            if fault is not None:
                due.append(shard)
            if fault not in (None, "missing"):
                tqdm.write(f"{self._name(shard)} is made again: {fault}")
        if whole := len(shards) - len(due):
            print(f"skipped: {whole:,} of {len(shards):,} shards are whole (-no_skip begins anew)")
        return due

    def follow(self, executor: Executor, work: Callable[[Shard], ShardNote], due: Sequence[Shard]) -> None:
        """Let an executor make shards, and print a line for each as it ends.

        Args:
            executor: makes them.
            work: makes one.
            due: the shards.
        """
        for line in executor.places:
            print(line)
        counts = [shard.images for shard in due]
        total = None if None in counts else sum(count for count in counts if count is not None)
        bar = tqdm(total=total, desc=f"0/{len(due)} shards", unit="image", disable=not has_terminal())
        with bar, closing(executor.run(work, due)) as outcomes:
            for number, outcome in enumerate(outcomes, start=1):
                self._take(outcome, bar)
                bar.set_description(f"{number:,}/{len(due):,} shards")

    def conclude(self, part: Part) -> None:
        """Write and print the totals of a directory in which no shard is missing, and the next command; else print how many are there."""
        there = self.manifest.shards - len(self.folder.missing(self.manifest))
        if there < self.manifest.shards:
            own = "" if part.is_whole else f" after part {part}"
            print(f"{self.folder.path}: {there:,} of {self.manifest.shards:,} shards are there{own}")
            return
        done = self.folder.write_done(self.manifest)
        print(f"{self.folder.path}: {done.shards:,} shards, {_counted(done.rows, done.zeros, done.refused, self.manifest.bits)}")
        if self.manifest.classes:
            queries, database = shlex.quote(f"{self.manifest.run}:query"), shlex.quote(str(self.folder.path))
            print(f"next: {command_line('src/eval/eval_codes.py')} -queries {queries} -database {database}")

    def _take(self, outcome: Outcome[Shard, ShardNote], bar: tqdm) -> None:
        name, note = self._name(outcome.unit), outcome.result
        if note is None:
            assert outcome.error is not None
            reason = reason_of(outcome.error)
            self.failures.append(f"  {name}: {reason}")
            tqdm.write(f"{name}: FAILED: {reason}")
        else:
            tqdm.write(f"{name}: {_counted(note.rows, note.zeros, len(note.refused), self.manifest.bits)}")
            bar.update(note.rows)

    def _name(self, shard: Shard) -> str:
        return self.folder.note_file(shard.number).stem


def _counted(rows: int, zeros: int, refused: int, bits: int) -> str:
    left_out = f"; {refused:,} unreadable images have none" if refused else ""
    return f"{rows - refused:,} codes of {bits} bits, {zeros:,} exact zeros (counted as +1){left_out}"

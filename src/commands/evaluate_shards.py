"""Evaluate the queries of a run against a database in shards."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from functools import reduce
from itertools import accumulate
from operator import add
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import RunError, UsageError
from ..eval import APSpec
from ..eval.merging import ShardCounts, cuts_of
from ..eval.merging.part_files import (
    Counted,
    counts_file,
    index_file,
    join,
    parts_of,
    read_counts,
    read_precisions,
    write_counts,
    write_precisions,
)
from ..eval.merging.shard_files import ShardDatabase, item_count
from ..eval.ranking.histograms import Counts
from ..eval.records.metric_names import requested_measures
from ..executors import Executor, open_executor
from ..settings.flags import given_measures
from ..settings.units import LOCAL, PLACEMENT_FLAGS, Part, given_placement
from ._code_flags import OF_FILES, check_output, check_unused, say
from .sharded.health import counted_shards, equal_codes
from .sharded.queries import read_queries
from .sharded.result import conclude, measures_of
from .sharded.units import RankingUnit, ShardUnit, count_unit, in_order, rank_unit

_PARTS = 64  # that an executor is given: a lost one costs little, and their counts, 5 MB for 5,000 queries of 64 bits, fit into memory


def evaluate_shards(
    queries: str,
    database: Path,
    *,
    measures: Sequence[APSpec] = (),
    health: bool = False,
    output: Path | None = None,
    partial: bool = False,
    no_skip: bool = False,
    executor: Executor | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Measure how well the queries of a run retrieve from a database in shards: the numbers of the whole database in one piece.

    Args:
        queries: ``RUN:FOLD`` of the run that encoded the database.
        database: the directory of the shards.
        measures: average precisions to compute beside those that always are.
        health: count distinct codes, equal pairs and collisions of the database, too; this process does.
        output: a JSON file to write the result to, whole or not at all.
        partial: measure the shards that are there, where some are missing.
        no_skip: replace that file if it is there.
        executor: counts and ranks parts of the shards; None for this process, one shard after the other.
        quiet: print nothing.

    Returns:
        What the JSON file holds.

    Raises:
        UsageError: for the tie rule "feature", which needs what shards do not hold, and for an output that exists or is no JSON file.
        RunError: naming the shard, if one is missing or damaged; if run and shards do not belong together.
        DataError: if the dataset of the queries is missing or was changed.
    """
    if output:
        check_output(output, no_skip)
    specs, whole = measures_of(measures), ShardDatabase.at(database, partial=partial)
    items, facts = read_queries(queries, whole.manifest)
    equal = equal_codes(whole, output, quiet=quiet) if health else None
    count, hidden = (1, quiet) if executor is None else (_PARTS, True)
    units = [ShardUnit(number, items, part, hidden) for number in range(count) if (part := whole.part(number, count)).notes]
    counts = in_order(executor, count_unit, units, quiet)
    *before, total = accumulate(counts)
    cuts = _index_cuts(total, specs)
    ranking = [RankingUnit(**vars(unit), starts=total.starts(one), cuts=cuts) for unit, one in zip(units, (None, *before), strict=True)]
    sums = in_order(executor, rank_unit, ranking, quiet)
    ranked = total.ranked_with(reduce(add, sums)).with_equal(equal)
    return conclude(Counted(facts, whole.manifest, whole.notes), ranked, specs, output=output, quiet=quiet)


def evaluate_part(
    queries: str,
    database: Path,
    folder: Path,
    part: Part,
    *,
    measures: Sequence[APSpec] = (),
    partial: bool = False,
    no_skip: bool = False,
    quiet: bool = False,
) -> None:
    """Count one part of the shards and, once all parts are counted, rank it for the tie rule "index"; each writes a file.

    Args:
        queries, database, measures, partial: as in :func:`evaluate_shards`.
        folder: where the files of all parts go.
        part: which part.
        no_skip: count and rank again even what is up to date.
        quiet: print nothing.

    Raises:
        UsageError, RunError, DataError: as in :func:`evaluate_shards`, and if other parts in the directory do not belong to this one.
    """
    specs, own = measures_of(measures), ShardDatabase.at(database, partial=partial).part(part.number, part.of)
    items, facts = read_queries(queries, own.manifest)
    counted, file = Counted(facts, own.manifest, own.notes), counts_file(folder, part.number, part.of)
    unit = ShardUnit(part.number, items, own, quiet)
    if file.is_file() and not no_skip and read_counts(file)[0] == counted:
        say(quiet, f"skipped: {file} is up to date (-no_skip counts again)")
    else:
        write_counts(file, counted, count_unit(unit))
        say(quiet, f"written: {file}, shards: {len(own.notes):,}, items: {item_count(own.notes):,}")
    files = [counts_file(folder, number, part.of) for number in range(part.of)]
    if waiting := [file.name for file in files if not file.is_file()]:
        say(quiet, f"the tie rule index needs a second call of this part once all are counted: {len(waiting)} to come, {waiting[0]} first")
        return
    _, total = join(files, partial=partial)
    cuts, file = _index_cuts(total, specs), index_file(folder, part.number, part.of)
    known = None if no_skip else read_precisions(file, total)
    if known is not None and np.array_equal(known.cuts, cuts):
        say(quiet, f"skipped: {file} is up to date")
        return
    starts = total.starts(join(files[: part.number], partial=True)[1] if part.number else None)
    write_precisions(file, rank_unit(RankingUnit(**vars(unit), starts=starts, cuts=cuts)), total)
    say(quiet, f"written: {file}")


def merge_parts(
    folder: Path,
    database: Path | None = None,
    *,
    measures: Sequence[APSpec] = (),
    output: Path | None = None,
    partial: bool = False,
    no_skip: bool = False,
    quiet: bool = False,
) -> dict[str, Any]:
    """Add up what all parts counted, and measure it.

    Args:
        folder: where the files of the parts are.
        database: the directory of the shards, to count distinct codes, equal pairs and collisions, which parts do not; None not to.
        measures, output, partial, no_skip, quiet: as in :func:`evaluate_shards`.

    Returns:
        What the JSON file holds; without numbers under the tie rule "index" where parts have not ranked yet.

    Raises:
        UsageError: for the tie rules "feature", and "index" where parts have not ranked yet; for an output that cannot be written.
        RunError: naming part or shard, if one is missing or parts do not belong together, or the shards are others now.
    """
    if output:
        check_output(output, no_skip)
    specs, of = measures_of(measures), parts_of(folder)
    numbers = [number for number in range(of) if counts_file(folder, number, of).is_file()]
    if len(numbers) < of and not partial:
        absent = [counts_file(folder, number, of).name for number in range(of) if number not in numbers]
        raise RunError(f"{folder} lacks {len(absent)} of {of} parts: {', '.join(absent)} (-partial measures the others)")
    counted, total = join([counts_file(folder, number, of) for number in numbers], partial=partial)
    sums = [found for number in numbers if (found := read_precisions(index_file(folder, number, of), total)) is not None]
    lacking = f"{len(numbers) - len(sums)} of {of} parts have not ranked these counts yet; call each part once more"
    ranked = len(sums) == len(numbers)
    if not ranked and any(measure.ties == "index" for measure in measures):
        raise UsageError(f"the tie rule index cannot be measured: {lacking}")
    if database:
        total = total.with_equal(equal_codes(counted_shards(counted, database), output, quiet=quiet))
    if ranked:
        return conclude(counted, total.ranked_with(reduce(add, sums)), specs, output=output, quiet=quiet)
    others = [spec for spec in specs if spec.ties != "index"]
    return conclude(counted, total, others, notes=[f"no tie rule index: {lacking}"], output=output, quiet=quiet)


def _index_cuts(counts: ShardCounts, specs: Sequence[APSpec]) -> Counts:
    return cuts_of(counts, [spec for spec in specs if spec.ties == "index"])


def from_arguments(arguments: Namespace) -> None:
    """Evaluate the shards that ``eval_codes.py`` names, a part of them, or what parts have counted.

    Raises:
        UsageError: for flags that do not go together.
    """
    values, placement = vars(arguments), given_placement(arguments)
    check_unused(values, OF_FILES, "is for codes in files; shards say themselves what they are")
    how = {"measures": requested_measures(*given_measures(arguments)), "partial": arguments.partial, "no_skip": arguments.no_skip}
    output = values.get("output")
    if "merge" in values:
        unused = ("queries", *([] if arguments.health else ["database"]), *PLACEMENT_FLAGS)
        check_unused(values, unused, "has no effect with -merge: the parts are counted already")
        if arguments.health and "database" not in values:
            raise UsageError("-merge -health counts distinct codes from the shards, which parts do not hold: -database FOLDER names them")
        merge_parts(values["merge"], Path(values["database"]) if arguments.health else None, output=output, **how)
    elif "queries" not in values:
        raise UsageError("-queries RUN:FOLD is missing: what the shards are searched with")
    elif "part" in values:
        if output is None or output.suffix == ".json" or output.is_file():
            raise UsageError("-part writes files of its own: -o FOLDER says where, the same for all parts, and -merge FOLDER adds them up")
        if arguments.health:
            raise UsageError("-health does not add up over parts: -merge FOLDER -health -database SHARDS counts it, from the shards")
        evaluate_part(values["queries"], Path(values["database"]), output, placement.part, **how)
    elif placement.on == LOCAL:
        evaluate_shards(values["queries"], Path(values["database"]), health=arguments.health, output=output, **how)
    else:
        with open_executor(placement) as executor:
            evaluate_shards(values["queries"], Path(values["database"]), output=output, health=arguments.health, executor=executor, **how)

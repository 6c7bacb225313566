"""Answer queries: print the nearest items of each, and write sheets, tables, copies and JSON of them."""

from __future__ import annotations

import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import DataError, UsageError, describe
from ..eval.records.text_table import text_table
from ..runs import runs_of, write_json
from ..search.results import TIE_RULES, Result
from ._search_codes import shown
from ._search_files import check_display, save_results, show_sheets
from ._searched_run import Query, Question, SearchedRun, codes_of_file


def question_of(arguments: Namespace) -> Question:
    """Return how a command line asks to search.

    Raises:
        UsageError: for numbers that cannot be.
    """
    for flag, number in (("-k", arguments.k), ("-most", arguments.most)):
        if number < 1:
            raise UsageError(f"{flag} {number} is not possible: it must be at least 1")
    return Question(arguments.k, arguments.radius, arguments.most, arguments.classes, arguments.not_itself, arguments.ties)


def queries_of(searched: SearchedRun, arguments: Namespace) -> Iterator[Query | DataError]:
    """Yield the queries of a command line, and in the place of an image that cannot be read the reason."""
    for text in arguments.rows:
        yield searched.row(text)
    if arguments.codes is not None:
        yield from codes_of_file(arguments.codes, searched.index)
    for file in arguments.images:
        try:
            yield searched.image_file(file)
        except DataError as error:
            yield error


def from_arguments(arguments: Namespace) -> int:
    """Answer the queries of ``query.py``, and return the exit status: 1 where an image could not be read, the others being answered.

    Raises:
        BioDeepHashingError: if a run, its index or a row cannot be used.
    """
    question = question_of(arguments)
    if not (arguments.rows or arguments.images or arguments.codes):
        raise UsageError("nothing is asked: give -img FILE, -row FOLD:ROW or -codes FILE")
    if arguments.show:
        check_display()
    runs = list(dict.fromkeys(run for handle in arguments.path for run in runs_of(handle)))
    if arguments.index is not None and len(runs) > 1:
        raise UsageError("-index names the index of one run: give one -p")
    faults: list[str] = []
    answered: list[tuple[SearchedRun, list[tuple[Query, Result]]]] = []
    for searched in [SearchedRun(run, arguments.index) for run in runs]:
        pairs = []
        for query in queries_of(searched, arguments):
            if isinstance(query, DataError):
                faults.append(describe(query))
            else:
                pairs.append((query, searched.answer(query, question)))
        answered.append((searched, pairs))
        print_results(searched, [result for _, result in pairs], question, several=len(runs) > 1)
    if arguments.output is not None:
        write_answers(arguments.output, answered, question, replace=arguments.no_skip)
    if arguments.save_path is not None or arguments.show:
        folder = arguments.save_path or Path(tempfile.mkdtemp(prefix="neighbours-"))
        sheets = [save_results(searched, pairs, folder, question, several=len(runs) > 1, replace=arguments.no_skip)
                  for searched, pairs in answered]  # fmt: skip
        if arguments.show:
            show_sheets([sheet for some in sheets for sheet in some])
    for fault in dict.fromkeys(faults):
        print(f"error: {fault}", file=sys.stderr)
    return 1 if faults else 0


def print_results(searched: SearchedRun, results: Sequence[Result], question: Question, *, several: bool) -> None:
    """Print what a run found for each query."""
    if several:
        print(f"{searched.run}")
    for result in results:
        print(heading(result))
        rows = [[str(one.rank), str(one.distance), str(one.id), _mark(one.relevant), shown(one.path), ", ".join(one.classes)]
                for one in result.neighbours]  # fmt: skip
        if rows:
            print(text_table(["rank", "distance", "id", "", "path", "classes"], rows))
        print(closing(result, question, len(searched.index)))
        print()


def heading(result: Result) -> str:
    """Return the query in one line: source, classes, predicted class, and what was done to the image."""
    parts = [shown(result.source)]
    if result.classes is not None:
        parts.append(f"class {', '.join(result.classes)}")
    if result.prediction is not None:
        parts.append(f"predicted {result.prediction}")
    if result.note:
        parts.append(result.note)
    return "; ".join(parts)


def closing(result: Result, question: Question, held: int) -> str:
    """Return what must be said below the neighbours: the tie rule and how many are tied, and where there are fewer than asked for."""
    if not held:
        return "the index is empty: all its items were removed"
    if question.radius is not None:
        words = f"{len(result.neighbours):,} of {result.total:,} items within distance {question.radius}"
    elif not result.neighbours:
        words = "no item passes the filter"
    else:
        words = result.ties
        if len(result.neighbours) < question.k:
            words += f"; the index holds only {result.total:,} items" + (" of these classes" if question.classes else "")
    hits = f"; {result.hits} of {len(result.neighbours)} share a class" if result.hits is not None and result.neighbours else ""
    return f"{words}{hits}; order: {TIE_RULES[question.ties]}"


def write_answers(
    file: Path, answered: Sequence[tuple[SearchedRun, Sequence[tuple[Query, Result]]]], question: Question, *, replace: bool
) -> None:
    """Write the answers as JSON, unless the file is there."""
    if file.exists() and not replace:
        print(f"skipped: {file} is there (-no_skip replaces it)")
        return
    write_json(file, answers_record(answered, question))
    print(file)


def answers_record(answered: Sequence[tuple[SearchedRun, Sequence[tuple[Query, Result]]]], question: Question) -> dict[str, Any]:
    """Return the answers of several runs as JSON has them."""
    runs = [
        {
            "run": searched.index.facts.run,
            "checkpoint": searched.index.facts.checkpoint,
            "index": asdict(searched.index.facts) | {"items": len(searched.index), "distinct": searched.index.distinct},
            "queries": [result.record() for _, result in pairs],
        }
        for searched, pairs in answered
    ]
    return {"k": question.k, "radius": question.radius, "tie_rule": TIE_RULES[question.ties], "runs": runs}


def _mark(relevant: bool | None) -> str:
    return {True: "+", False: "-", None: ""}[relevant]

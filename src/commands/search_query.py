"""Answer queries: print the nearest items of each, and write sheets, tables, copies and JSON of them."""

from __future__ import annotations

import sys
import tempfile
import textwrap
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from ..errors import DataError, UsageError, describe
from ..eval.records.text_table import text_table
from ..executors import open_executor
from ..modalities import MODALITIES
from ..runs import runs_of, write_json
from ..search import ask_part
from ..search.results import TIE_RULES, Result
from ..settings.units import LOCAL, given_placement
from .searching.codes import shown
from .searching.files import Answered, check_display, save_results, show_sheets
from .searching.question import Query, Question, codes_of_file
from .searching.searched_run import SearchedRun
from .sharded.index import check_unused_of_shards, open_parts
from .sharded.units import in_order

_LETTERS = 72  # of a text in a table


def question_of(arguments: Namespace) -> Question:
    """Return how a command line asks to search.

    Raises:
        UsageError: for numbers that cannot be.
    """
    for flag, number in (("-k", arguments.k), ("-most", arguments.most)):
        if number < 1:
            raise UsageError(f"{flag} {number} is not possible: it must be at least 1")
    return Question(arguments.k, arguments.radius, arguments.most, arguments.classes, arguments.not_itself, arguments.ties)


def searched_views(arguments: Namespace) -> tuple[str, ...]:
    """Return the views that a command line searches for."""
    return MODALITIES if arguments.view == "both" else (arguments.view,)


def queries_of(searched: SearchedRun, arguments: Namespace) -> Iterator[Query | DataError]:
    """Yield the queries of a command line, and in the place of an image that cannot be read the reason."""
    for words in arguments.texts:
        yield searched.text(words)
    for text in arguments.rows:
        yield searched.row(text, arguments.row_view or "image")
    if arguments.codes is not None:
        yield from codes_of_file(arguments.codes, searched.index(searched_views(arguments)[0]))
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
    question, views = question_of(arguments), searched_views(arguments)
    if not (arguments.texts or arguments.rows or arguments.images or arguments.codes):
        raise UsageError("nothing is asked: give -img FILE, -text TEXT, -row FOLD:ROW or -codes FILE")
    if arguments.row_view and not arguments.rows:
        raise UsageError(f"-of {arguments.row_view} says which view of a row is the query: give -row FOLD:ROW")
    if arguments.show:
        check_display()
    runs = list(dict.fromkeys(run for handle in arguments.path for run in runs_of(handle)))
    if arguments.index is not None and len(runs) * len(views) > 1:
        raise UsageError("-index names the index of one run and one view: give one -p, and -in image or -in text")
    folders = {} if arguments.index is None else {views[0]: arguments.index}
    if arguments.database is None:
        check_unused_of_shards(arguments)
        return answer([SearchedRun(run, folders) for run in runs], question, views, arguments)
    if len(runs) > 1 or views != ("image",):
        raise UsageError("-database names images that one run encoded: give one -p, and leave out -in")
    placement = given_placement(arguments)
    with nullcontext() if placement.on == LOCAL else open_executor(placement) as executor:
        ask = partial(in_order, executor, ask_part, quiet=False)
        parts = open_parts(runs[0], arguments.database, arguments.index, partial=arguments.partial, ask=ask)
        return answer([SearchedRun(runs[0], database=parts)], question, views, arguments)


def answer(opened: Sequence[SearchedRun], question: Question, views: Sequence[str], arguments: Namespace) -> int:
    """Answer the queries of a command line by some runs, and return the exit status."""
    for searched, view in product(opened, views):
        searched.index(view)  # a run that cannot answer is named before the first answer
    several = len(opened) > 1
    faults: list[str] = []
    answered: list[Answered] = []
    for searched in opened:
        queries = list(queries_of(searched, arguments))
        faults += [describe(query) for query in queries if isinstance(query, DataError)]
        for view in views:
            of_view = replace(question, view=view)
            known = [query for query in queries if isinstance(query, Query)]
            answered.append(Answered(searched, of_view, list(zip(known, searched.answers(known, of_view), strict=True))))
            print_results(answered[-1], several_runs=several, several_views=len(views) > 1)
    if arguments.output is not None:
        write_answers(arguments.output, answered, replacing=arguments.no_skip)
    if arguments.save_path is not None or arguments.show:
        folder = arguments.save_path or Path(tempfile.mkdtemp(prefix="neighbours-"))
        sheets = [save_results(one, folder, several=several, replace=arguments.no_skip) for one in answered]
        if arguments.show:
            show_sheets([sheet for some in sheets for sheet in some])
    for fault in dict.fromkeys(faults):
        print(f"error: {fault}", file=sys.stderr)
    return 1 if faults else 0


def print_results(answered: Answered, *, several_runs: bool, several_views: bool) -> None:
    """Print what a run found for each query."""
    question, texts = answered.question, answered.question.view == "text"
    if title := ", ".join([f"{answered.searched.run}"] * several_runs + [f"{question.view}s"] * several_views):
        print(title)
    names = ["rank", "distance", "id", "", "path", *(["text"] if texts else []), "classes"]
    for _, result in answered.pairs:
        print(heading(result))
        rows = [
            [str(one.rank), str(one.distance), str(one.id), _mark(one.relevant), shown(one.path),
             *([textwrap.shorten(shown(one.text), _LETTERS, placeholder=" …")] if texts else []), ", ".join(one.classes)]
            for one in result.neighbours
        ]  # fmt: skip
        if rows:
            print(text_table(names, rows))
        print(closing(result, question, len(answered.searched.index(question.view))))
        print()


def heading(result: Result) -> str:
    """Return the query in one line: source and text, classes, predicted class, and what was done to it."""
    parts = [shown(result.source)]
    if result.text and result.text != result.source:
        parts.append(shown(result.text))
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


def write_answers(file: Path, answered: Sequence[Answered], *, replacing: bool) -> None:
    """Write the answers as JSON, unless the file is there."""
    if file.exists() and not replacing:
        print(f"skipped: {file} is there (-no_skip replaces it)")
        return
    write_json(file, answers_record(answered))
    print(file)


def answers_record(answered: Sequence[Answered]) -> dict[str, Any]:
    """Return the answers of several runs, and views, as JSON has them."""
    runs = []
    for one in answered:
        index = one.searched.index(one.question.view)
        runs.append({
            "run": index.facts.run,
            "checkpoint": index.facts.checkpoint,
            "index": asdict(index.facts) | {"items": len(index), "distinct": index.distinct},
            "queries": [result.record() for _, result in one.pairs],
        })  # fmt: skip
    question = answered[0].question
    return {"k": question.k, "radius": question.radius, "tie_rule": TIE_RULES[question.ties], "runs": runs}


def _mark(relevant: bool | None) -> str:
    return {True: "+", False: "-", None: ""}[relevant]

"""Evaluate anybody's codes, read from files."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..eval import APSpec
from ..eval.arrays.text_files import Margins
from ..eval.external.codes import NOTHING_KNOWN, ExternalCodes, Reading, read_external
from ..eval.external.hash_files import read_hash_file
from ..eval.records.directions import joined
from ..eval.records.fold_metrics import LabeledCodes, fold_metrics
from ..eval.records.metric_names import ALWAYS, requested_measures, unique
from ..eval.records.same_items import check_same, count_contained, same_items
from ..eval.records.summary import summary
from ..runs import write_json
from ..settings.flags import given_measures
from ..settings.parsers import CODE_FILES
from . import evaluate_shards
from ._code_flags import OF_SHARDS, check_output, check_unused, say


def evaluate_codes(
    queries: str,
    database: str,
    query_labels: str,
    database_labels: str,
    *,
    bits: int | None = None,
    kind: str | None = None,
    transpose: bool = False,
    heading: bool | None = None,
    index: bool | None = None,
    leave_one_out: bool = False,
    measures: Sequence[APSpec] = (),
    output: Path | None = None,
    no_skip: bool = False,
    quiet: bool = False,
) -> dict[str, Any]:
    """Measure how well codes in files retrieve, under every tie rule that they allow.

    Args:
        queries: ``FILE.npy``, ``.tsv``, ``.csv``, ``.txt``, ``FILE.npz:NAME``, ``FILE.mat:NAME`` or ``FILE.pt:NAME`` with ±1, 0/1, truth
            values, real-valued features whose signs are the codes, (queries, bits), or packed whole numbers, (queries, numbers).
        database: the same of the database.
        query_labels: 0/1, (queries, classes), or a class number or name for each query.
        database_labels: the same of the database.
        bits: length of a code; needed where codes are packed.
        kind: what the codes are, "bits", "packed" or "features"; None to find out, which whole numbers other than -1, 0 and 1 need
            ``bits`` for.
        transpose: whether codes have a column per item. Without it this is found out where it is beyond doubt, and said.
        heading: whether text files have a heading; None to find out, and to refuse where it is not certain.
        index: whether the first column of text files counts or names the rows; None to find out.
        leave_one_out: rank each query against the database without itself; queries and database must be the same items.
        measures: average precisions to compute beside those that always are.
        output: a JSON file to write the result to, whole or not at all.
        no_skip: replace that file if it is there.
        quiet: print nothing.

    Returns:
        What the JSON file holds.

    Raises:
        DataError: for files that cannot be used, or codes and labels that do not fit together.
        UsageError: for an output that exists already or is no JSON file, for the tie rule "feature" without features, and for
            ``leave_one_out`` with queries that are not the database.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "tiny.csv"
        >>> _ = file.write_text("1,0\\n0,1\\n")  # two items: as codes they differ, as labels they share nothing
        >>> evaluate_codes(*[str(file)] * 4, quiet=True)["mAP_expected"]
        1.0
    """
    if output:
        check_output(output, no_skip)
    reading = Reading(bits, kind, transpose, Margins(heading, index))
    external = read_external(queries, database, query_labels, database_labels, reading)
    specs = _measures(external, measures)
    query, items = external.sides
    if leave_one_out:
        check_same(query, items)
    understood = [*external.understood, *_relation(query, items, leave_one_out)]
    say(quiet, "\n".join(understood))
    numbers = _numbers(external, specs, leave_one_out=leave_one_out)
    facts = {"bits": query.codes.bits, "inputs": external.inputs, "understood": understood, "leave_one_out": leave_one_out}
    return _reported(numbers | facts, output, quiet)


def evaluate_hash_file(
    file: Path,
    query_labels: str | None = None,
    database_labels: str | None = None,
    *,
    reading: Reading = NOTHING_KNOWN,
    measures: Sequence[APSpec] = (),
    output: Path | None = None,
    no_skip: bool = False,
    quiet: bool = False,
) -> dict[str, Any]:
    """Measure codes of images and texts in a MATLAB file in all four directions, by the rules of :func:`evaluate_codes`.

    Args:
        file: ``<bits>-hash.mat``, see :func:`~biodeephashing.eval.external.hash_files.read_hash_file`.
        query_labels: labels of the queries in another file; None for those in the file itself.
        database_labels: the same of the database.
        reading: what is known of the file.
        measures: average precisions to compute beside those that always are.
        output: see :func:`evaluate_codes`, as the following ones.
        no_skip: replace that file if it is there.
        quiet: print nothing.

    Returns:
        What the JSON file holds: a block for each direction, and the means of i2t and t2i.

    Raises:
        DataError: for files that cannot be used, or codes and labels that do not fit together.
        UsageError: if there are no labels or those of one side only, and as :func:`evaluate_codes` does.
    """
    if output:
        check_output(output, no_skip)
    if (query_labels is None) != (database_labels is None):
        raise UsageError("-query_labels and -database_labels go together: give both, or neither for the labels in the file of -mat")
    labels = None if query_labels is None or database_labels is None else (query_labels, database_labels)
    directions = read_hash_file(file, labels, replace(reading, gaps=True))
    specs = {name: _measures(external, measures) for name, external in directions.items()}
    understood = list(dict.fromkeys(line for external in directions.values() for line in external.understood))
    say(quiet, "\n".join(understood))
    blocks = {name: _numbers(external, specs[name]) for name, external in directions.items()}
    inputs = {name: external.inputs for name, external in directions.items()}
    bits = next(iter(directions.values())).codes[0].bits
    return _reported({**joined(blocks), "bits": bits, "inputs": inputs, "understood": understood}, output, quiet)


def _numbers(external: ExternalCodes, specs: Sequence[APSpec], *, leave_one_out: bool = False) -> dict[str, Any]:
    query, items = external.sides
    numbers, _ = fold_metrics(query, items, specs, leave_one_out=leave_one_out)
    return numbers | {"code_health": {"query": query.health, "database": items.health}}


def _reported(result: dict[str, Any], output: Path | None, quiet: bool) -> dict[str, Any]:
    """Write and print a result."""
    if output:
        write_json(output, result, indent=4)
    say(quiet, summary({"query": result}, _caption(result)) + (f"\n\nwritten: {output}" if output else ""))
    return result


def _measures(external: ExternalCodes, requested: Sequence[APSpec]) -> list[APSpec]:
    """Return what is always measured, as far as the codes allow, and what is requested."""
    if external.codes[0].features is not None:
        return unique([*ALWAYS, *requested])
    if any(measure.ties == "feature" for measure in requested):
        held = " and ".join(f"{external.inputs[role]['file']} holds {external.inputs[role]['as']}" for role in ("queries", "database"))
        raise UsageError(f"the tie rule feature needs real-valued features of queries and database, but {held}")
    return unique([*(measure for measure in ALWAYS if measure.ties != "feature"), *requested])


def _relation(query: LabeledCodes, items: LabeledCodes, leave_one_out: bool) -> list[str]:
    """Return what queries and database have in common, and a warning about unlikely sizes."""
    queries, database = len(query.labels), len(items.labels)
    if leave_one_out:
        return [f"leave-one-out: each query is ranked against the {database - 1:,} other items"]
    if same_items(query, items):
        return ["queries and database are the same items, and each query finds itself: -leave_one_out ranks it against the others"]
    lines = []
    if contained := count_contained(query, items):
        what = "code" if query.codes.features is None else "features"
        lines.append(f"{contained:,} of {queries:,} queries have {what} and labels of a database item: are these the same?")
    if queries > database:
        lines.append("more queries than database items: are they swapped?")
    return lines


def _caption(result: dict[str, Any]) -> str:
    """Return the length of the codes, and which tie rule they do not allow."""
    lines = [f"{result['bits']} bits"]
    if "mAP_feature" not in result:
        lines.append("no tie rule feature: it needs real-valued features of both queries and database")
    return "\n".join(lines)


def from_arguments(arguments: Namespace) -> None:
    """Evaluate the codes that ``eval_codes.py`` names, in files or in shards.

    Raises:
        UsageError: for codes of no bits, and for flags that are missing or do not go together.
    """
    values = vars(arguments)
    how = {"measures": requested_measures(*given_measures(arguments)), "output": values.get("output"), "no_skip": arguments.no_skip}
    if values.get("bits") == 0:
        raise UsageError("-bits 0 is not possible: a code has at least 1 bit")
    if "mat" in values:
        if (
            clash := [f"-{name}" for name in ("queries", "database", "merge") if name in values]
            + ["-leave_one_out"] * arguments.leave_one_out
        ):
            raise UsageError(f"-mat holds queries and database, each as images and as texts: leave out {' and '.join(clash)}")
        check_unused(values, OF_SHARDS, "has no effect with -mat: it is for a database in shards")
        margins = Margins(values.get("heading"), values.get("index"))
        reading = Reading(values.get("bits"), values.get("kind"), arguments.transpose, margins)
        evaluate_hash_file(arguments.mat, values.get("query_labels"), values.get("database_labels"), reading=reading, **how)
        return
    if "merge" in values or ("database" in values and Path(values["database"]).is_dir()):
        evaluate_shards.from_arguments(arguments)
        return
    if lacking := [f"-{name}" for name in CODE_FILES if name not in values]:
        shards = f"; as a database in shards {values['database']} would have to be a directory" if "database" in values else ""
        needed = f"{', '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} needed, or -mat FILE of images and texts"
        raise UsageError(f"{needed}{shards}")
    check_unused(values, OF_SHARDS, "is for a database in shards: -database names their directory")
    evaluate_codes(
        *(values[name] for name in CODE_FILES),
        bits=values.get("bits"),
        kind=values.get("kind"),
        transpose=arguments.transpose,
        heading=values.get("heading"),
        index=values.get("index"),
        leave_one_out=arguments.leave_one_out,
        **how,
    )

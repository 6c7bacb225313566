"""The tables of a comparison: for the console, in Markdown and as CSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from ...runs import replacing
from ..figures.style import place_of
from ..records.text_table import Rows, markdown_table, text_table
from ..significance.over_seeds import BASELINE, FROZEN
from .choice import VAL
from .comparison import DIFFERENCES, Comparison
from .groups import describe_p, difference_header
from .run_record import BITS, MODEL, RunRecord

OVERVIEW = "comparison-overview.png"


def console_text(comparison: Comparison) -> str:
    """Return the tables of a comparison for the console."""
    parts = [comparison.title, *comparison.notes]
    left = _words(comparison)
    if len(comparison.groups) > 1:
        parts += ["", f"{comparison.metric}, best settings first", text_table(*overview(comparison), left=left)]
    for heading, split, numbers in tables_of(comparison):
        parts += ["", f"{heading}  -  {split}", text_table(*_table(comparison, numbers), left=left)]
    return "\n".join(parts)


def write_markdown(file: Path, comparison: Comparison, figures: Mapping[str, str]) -> None:
    """Write the tables of a comparison in Markdown, with its figures.

    Args:
        file: the file to write.
        comparison: what to tell of.
        figures: the files of the figures beside it, with what they show.
    """
    parts = [f"# {comparison.title}", "", *(f"- {note}" for note in comparison.notes)]
    images = {file: f"![{words}]({file})" for file, words in figures.items()}
    left = _words(comparison)
    if len(comparison.groups) > 1:
        parts += ["", f"{comparison.metric}, best settings first:", "", markdown_table(*overview(comparison), left=left)]
        parts += ["", images.pop(OVERVIEW)]
    for heading, split, numbers in tables_of(comparison):
        parts += ["", f"## {heading}", "", split, "", markdown_table(*_table(comparison, numbers), left=left)]
    parts += ["", *(line for image in images.values() for line in (image, ""))]
    with replacing(file) as temporary:
        temporary.write_text("\n".join(parts), "utf-8")


def write_csv(file: Path, comparison: Comparison) -> None:
    """Write one line per group, rule and metric, with full precision."""
    columns = [*comparison.settings, "rule", *comparison.per_rule, "metric", "n_seeds", "seeds", "mean", "sd"]
    columns += [*DIFFERENCES[BASELINE], "p_holm", *([*DIFFERENCES[FROZEN], "p_holm_frozen"] if comparison.has_floor else [])]
    table = comparison.table.join(comparison.settings, on="group")
    own = [comparison.values_of(number, rule) for number, rule in zip(table["group"], table["rule"], strict=True)]
    _write(file, table.join(pd.DataFrame(own, table.index, [*comparison.per_rule]))[columns])


def write_runs_csv(file: Path, comparison: Comparison, runs: Sequence[RunRecord]) -> None:
    """Write one line per run: its settings, split, rule and seed, whether it counts, and its metrics with full precision.

    Args:
        file: the file to write.
        comparison: what the runs were compared in.
        runs: the runs that count, and those that were left out for another value of a setting or a newer run.
    """
    counted = {id(run) for group in comparison.groups for seeds in group.runs.values() for run in seeds.values()}
    rows = [
        {**run.settings, "split": run.split, "rule": run.rule, "seed": run.seed, "counted": id(run) in counted}
        | {name: run.metrics.get(name) for name in (VAL, *comparison.columns.values())}
        for run in sorted(runs, key=lambda run: (sorted(run.settings.items()), run.split, run.rule, run.seed))
    ]
    _write(file, pd.DataFrame(rows))


def write_bits_csv(file: Path, comparison: Comparison) -> bool:
    """Write the values of the figure of mAP against bits, one line per panel, rule and number of bits.

    An earlier file goes where no groups differ in the number of bits only.

    Returns:
        Whether there was something to write.
    """
    if not comparison.by_bits:
        file.unlink(missing_ok=True)
        return False
    columns = [name for name in comparison.settings if name != BITS]
    columns += ["rule", BITS, "metric", "n_seeds", "seeds", "mean", "lowest", "highest"]
    _write(file, pd.concat(rows for _, rows in comparison.by_bits)[columns])
    return True


def overview(comparison: Comparison) -> tuple[list[str], Rows]:
    """Return header and rows of a table: mean ± standard deviation of every group and rule, the best group first.

    Of several methods there is a row per method, settings and rule, and a column per number of bits.
    """
    table = comparison.compared.assign(title=lambda rows: rows["group"].map(pd.Series(short_titles(comparison))))
    if comparison.several_methods:
        table = table.dropna(subset="mean").join(comparison.settings[[MODEL, BITS]], on="group").astype({BITS: int})
        table["title"] = table["group"].map(pd.Series([group.own_title for group in comparison.groups]))
        across, names = sorted(table[BITS].unique()), [MODEL, "title", "rule"]
        header, cells = ["method", "settings", "rule", *(f"{bits} bits" for bits in across)], BITS
    else:
        across, names, cells = sorted(table["rule"].unique(), key=place_of), ["title"], "rule"
        header = ["settings", *across]
    best = table.groupby(names, sort=False)["mean"].max().fillna(0.0).sort_values(ascending=False, kind="stable")
    texts = table.pivot_table("text", names, cells, aggfunc="first", sort=False, fill_value="-")
    return header, texts.loc[best.index, across].reset_index().to_numpy().tolist()


def short_titles(comparison: Comparison) -> list[str]:
    """Return the title of each group without the parts that all titles share."""
    parts = [group.title.split(", ") for group in comparison.groups]
    common = set.intersection(*map(set, parts)) if len(parts) > 1 else set()
    return [", ".join(part for part in of_one if part not in common) or ", ".join(of_one) for of_one in parts]


def tables_of(comparison: Comparison) -> Iterator[tuple[str, str, list[int]]]:
    """Yield heading, split and groups (their numbers) of each table: a group, or of several methods all with one number of bits."""
    if not comparison.several_methods:
        yield from ((group.title, group.split, [number]) for number, group in enumerate(comparison.groups))
        return
    for (bits, split), some in comparison.settings.astype({BITS: int}).groupby([BITS, "split"]):
        yield f"{bits} bits", split, some.index.to_list()


def _words(comparison: Comparison) -> int:
    """Return how many columns a table begins with that hold words: the rule, of several methods also method and settings."""
    return 3 if comparison.several_methods else 1


def _table(comparison: Comparison, numbers: Sequence[int]) -> tuple[list[str], Rows]:
    table = comparison.table[comparison.table["group"].isin(numbers)]
    means = table.pivot_table("text", ["group", "rule"], "metric", aggfunc="first", sort=False)[[*comparison.columns.values()]]
    compared = comparison.compared.set_index(["group", "rule"]).loc[means.index]
    means.insert(0, "seeds", [len(comparison.groups[number].runs[rule]) for number, rule in means.index])
    for place, name in enumerate(comparison.per_rule):
        means.insert(place, name, [comparison.values_of(number, rule)[place] for number, rule in means.index])
    means = means.assign(difference=compared["difference"], p=compared["p"].map(describe_p), p_holm=compared["p_holm"].map(describe_p))
    values = [name.replace("_", " ") for name in comparison.per_rule]
    header = ["rule", *values, "seeds", *comparison.columns, difference_header(), "p", "p (Holm)"]
    if comparison.has_floor:
        means = means.assign(from_frozen=compared["difference_from_frozen"], p_frozen=compared["p_holm_frozen"].map(describe_p))
        header += [difference_header(FROZEN), f"p (Holm) to {FROZEN}"]
    means = means.astype(str).reset_index()
    if not comparison.several_methods:
        return header, means.drop(columns="group").to_numpy().tolist()
    groups = [comparison.groups[number] for number in means.pop("group")]
    own = [[group.settings[MODEL], group.own_title] for group in groups]
    return ["method", "settings", *header], [[*words, *row] for words, row in zip(own, means.to_numpy().tolist(), strict=True)]


def _write(file: Path, table: pd.DataFrame) -> None:
    with replacing(file) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8")

"""What an evaluation adds for a run whose method learns a code for each class; it takes PyTorch, which other evaluations do without."""

from __future__ import annotations

from typing import Any

from ..eval.figures.codebook_figure import FIGURE, draw_codebook
from ..eval.records.class_codes import class_code_facts, class_code_lines, measure_class_codes, read_codebook
from ..eval.records.run_codes import RunCodes
from ..runs.class_codes_json import read_class_codes, tracked_class_codes, write_class_codes
from ..tracking import open_tracker


def evaluate_class_codes(
    codes: RunCodes, hparams: dict[str, Any], *, with_features: bool, plots: bool, no_skip: bool, tracked: bool
) -> str:  # fmt: skip
    """Measure how well images are classified by the codes of classes; what was measured on the same codes is read.

    Args:
        codes: what the run predicted.
        hparams: its settings.
        with_features: whether features may be read.
        plots: whether the codebook is drawn, and written as CSV and Markdown; once drawn, it is drawn again with the numbers.
        no_skip: measure again even what is up to date.
        tracked: whether to log to MLflow.

    Returns:
        The numbers as text.
    """
    run, facts = codes.run, class_code_facts(codes)
    known = read_class_codes(run.class_codes_file)
    complete = known.get("with_features", False) or not with_features
    current = complete and not no_skip and all(known.get(name) == value for name, value in facts.items())
    codebook = read_codebook(codes)
    content = known
    if not current:
        split = codes.prepared.split.caption
        made = measure_class_codes(codes, codebook, with_features=with_features)
        content = {**made, **facts, "with_features": with_features, "split": split, "hparams": hparams}
    drawn = (run.evaluation / FIGURE).exists()
    if plots or (drawn and not current):
        draw_codebook(run, codebook, codes.prepared.split)
    if not current:
        if tracked:
            with open_tracker(run, hparams, phase="evaluate") as tracker:
                tracker.log_metrics(tracked_class_codes(content))
        write_class_codes(run.class_codes_file, content)
    return class_code_lines(content)

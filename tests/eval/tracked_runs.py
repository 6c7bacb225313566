"""Runs for comparisons: tracked without being trained, or only said to have been."""

from __future__ import annotations

from collections.abc import Iterable

from biodeephashing.eval.comparison import Comparison, RunRecord, build_groups
from biodeephashing.models.PenaltyStrategies import Settings
from biodeephashing.runs import Run
from biodeephashing.runs.hparams_json import hparams_of

METRIC = "query_mAP_expected"
RULES = ("bp", "brsf", "dfa", "drtp", "fa", "frsf", "kp", "usf", "wm")
LEVELS = {"bp": 0.9, "usf": 0.92, "fa": 0.7}
SPLIT = {"split": "TINY, disjoint split (train 32), PARTIAL: 3 of 9 images", "split_sha256": "a" * 64}


def track(mode: str, seed: int, *, value: float | None = None, status: str = "FINISHED", split: dict | None = None, **changes) -> None:
    """Track a finished run without training it; changes are settings or further numbers."""
    from biodeephashing.tracking import open_tracker

    known = {"database": "TINY", "experiment_name": "trial", "loss": "DCH", "architecture": "bio-lenet", "number_of_bits": 16}
    further = {name: changes.pop(name) for name in [*changes] if "_mAP" in name}
    settings = Settings(**(known | {"mode": mode, "seed": seed} | changes))
    tracker = open_tracker(Run.of(settings), hparams_of(settings))
    tracker.set_tags(split or SPLIT)
    for epoch in range(4 + seed):
        tracker.log_metrics({"val_mAP": LEVELS[mode] * epoch / 5, "train_loss": 1 / (1 + epoch)}, epoch)
    tracker.log_metrics(further)
    if value is not None:
        names = ("expected", "expected_at_1000", "expected_at_5000", "feature")
        tracker.log_metrics({f"query_mAP_{name}": value + 0.01 * i for i, name in enumerate(names)})
    tracker.close(status)


def observation(rule: str, seed: int, value: float, **settings: str) -> RunRecord:
    return RunRecord(rule, seed, {"loss": "DCH", **settings}, "split", {METRIC: value}, {})


def compared(runs: Iterable[RunRecord], *per_rule: str) -> Comparison:
    return Comparison("name", build_groups([*runs], METRIC, per_rule)[0], METRIC, {"mAP": METRIC}, per_rule=per_rule)


def track_untrained(method: str, bits: int, seed: int, value: float, split: dict | None = None, **settings: str) -> None:
    """Track an evaluated run of a method without rule, loss, network and epochs."""
    from biodeephashing.tracking import open_tracker

    hparams = {"experiment_name": "trial", "database": "TINY", "number_of_bits": bits, "seed": seed, "model": method} | settings
    run = Run("TINY", "trial", "".join(f"-{name}={value}" for name, value in {"nbits": bits, "seed": seed, **settings}.items()), method)
    with open_tracker(run, hparams, phase="evaluate") as tracker:
        tracker.set_tags(split or SPLIT)
        tracker.log_metrics({f"query_mAP_{name}": value for name in ("expected", "expected_at_1000", "expected_at_5000", "feature")})

"""Choose settings from ranges by val mAP: as many trials for each rule, compared in rungs, and the query mAP of those chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import fmean, stdev

from ..errors import RunError, UsageError
from ..eval.records.text_table import text_table
from ..executors import Executor, open_executor
from ..runs import Run, comparison_folder
from ..runs.files import write_csv
from ..runs.hparams_json import hparams_of
from ..runs.result_json import read_result
from ..settings import TrainingSettings
from ..settings.ranges import Range, Rungs
from ..settings.units import HERE, LOCAL, Placement
from ..tracking import open_tracker, start_parent
from .grids.grid import PATIENCE, hand_out, varying_names
from .grids.proposals import Proposals
from .grids.trial import Reached, run_trial, train_until

AT_ONCE = 10  # trials of an arm that are proposed together, whatever -jobs: the same command proposes the same again


@dataclass(eq=False)
class Arm:
    """A rule, or one combination of listed values: what has a budget of trials.

    Args:
        settings: what its trials have in common.
        proposals: the rest of their settings.
        reached: how far each trial came that did not fail.
        alive: those that have not been left behind, the best first once they were compared.
    """

    settings: TrainingSettings
    proposals: Proposals
    reached: dict[TrainingSettings, Reached] = field(default_factory=dict)
    alive: list[TrainingSettings] = field(default_factory=list)

    def keep(self, count: int) -> None:
        """Leave all behind but the best so many; of two that are equally good the earlier one goes on."""
        self.alive = sorted(self.alive, key=lambda trial: -self.reached[trial].value)[:count]


class Sweep:
    """The trials of some arms on an executor.

    Args:
        executor: who trains them.
        arms: the arms.
        varying: long names of the settings that tell the trials apart.
        parent: MLflow id of the sweep, if any.
        patience: see :func:`~biodeephashing.commands.grids.trial.run_trial`.
    """

    def __init__(self, executor: Executor, arms: Sequence[Arm], varying: Sequence[str], parent: str | None, patience: float) -> None:
        self.executor = executor
        self.arms = arms
        self.varying = varying
        self.parent = parent
        self.patience = patience
        self.failures: list[str] = []

    def propose(self, count: int, epochs: int) -> None:
        """Train so many new trials of each arm to the first rung."""
        asked = {arm: [replace(arm.settings, **values) for values in arm.proposals.ask(count)] for arm in self.arms}
        new = {arm: [trial for trial in dict.fromkeys(trials) if trial not in arm.reached] for arm, trials in asked.items()}
        self._train(new, epochs)
        for arm, trials in asked.items():
            arm.proposals.tell([arm.reached[trial].value if trial in arm.reached else None for trial in trials])

    def climb(self, rungs: Rungs, epochs: int) -> None:
        """Train the best trials of each arm to the next rung."""
        for arm in self.arms:
            arm.keep(rungs.going_on(len(arm.alive)))
        going_on = {arm: arm.alive for arm in self.arms}
        for arm in self.arms:
            arm.alive = []
        self._train(going_on, epochs)

    def measure(self, trials: Sequence[TrainingSettings]) -> None:
        """Train some trials to the end, and predict and evaluate them."""
        work = partial(run_trial, parent=self.parent, patience=self.patience)
        self.failures += hand_out(self.executor, trials, work, self.varying).failures if trials else []

    def _train(self, trials: Mapping[Arm, Sequence[TrainingSettings]], epochs: int) -> None:
        work = partial(train_until, parent=self.parent, epochs=epochs, patience=self.patience)
        units = [trial for some in trials.values() for trial in some]
        if not units:
            return
        report = hand_out(self.executor, units, work, self.varying)
        self.failures += report.failures
        for arm, some in trials.items():
            done = {trial: report.results[trial] for trial in some if trial in report.results}
            arm.reached |= done
            arm.alive += done


def sweep(
    arms: Sequence[TrainingSettings], ranges: Mapping[str, Range], *, trials: int, rungs: Rungs, seeds: Sequence[int] = (),
    placement: Placement = HERE, title: str = "sweep",
) -> list[str]:  # fmt: skip
    """Try settings from ranges, as many for each arm; print those that val mAP chooses, and their query mAP.

    Trials that are left behind stay interrupted runs, with the tag ``pruned`` in MLflow. The same command goes on where it was.
    Written is ``sweep.csv``, a row for each trial, beside the comparison of the experiment.

    Args:
        arms: rules, or combinations of other listed values; all of one experiment on one dataset, and of one seed.
        ranges: by the long name of a setting.
        trials: for each arm.
        rungs: when trials are compared, and how many go on.
        seeds: of the runs that measure the chosen settings; none: the chosen trial itself does.
        placement: who trains them.
        title: name of the sweep's MLflow run.

    Returns:
        One message per failed trial.

    Raises:
        UsageError: without Optuna, or for settings that a sweep cannot have.
    """
    first = arms[0]
    if (different := len({Run.of(arm) for arm in arms})) < len(arms):
        raise UsageError(f"{len(arms)} combinations of listed values with {different} different runs: list every value once")
    if trials < 1:
        raise UsageError(f"-trials {trials} is not possible: it must be at least 1 trial")
    if rungs.first >= first.epochs:
        raise UsageError(f"-rung {rungs.first} is not before the end, -ep {first.epochs}: no trial could be left behind there")
    if not placement.part.is_whole:
        raise UsageError(f"-part {placement.part} does a part of a grid that is known before it begins, and that of -trials is not")
    if first.no_skip or first.soft_skip:
        raise UsageError("-trials goes on with what was begun: leave out -no_skip and -soft_skip, or choose another -exp")
    own = [Arm(arm, Proposals(ranges, arm.seed)) for arm in arms]
    varying = [*varying_names(arms), *ranges, *(["seed"] if seeds else [])]
    with open_executor(placement, first) as executor:
        for line in executor.places:
            print(line)
        parent = None
        if first.tracking == "on":
            parent = start_parent(first.database, first.experiment_name, title, {"cells": str(len(arms) * trials)})
        all_trials = Sweep(executor, own, varying, parent, 0 if placement.on == LOCAL else PATIENCE)
        to_first, *further = rungs.epochs(first.epochs)
        for begun in range(0, trials, AT_ONCE):
            all_trials.propose(min(AT_ONCE, trials - begun), to_first)
        for epochs in further:
            all_trials.climb(rungs, epochs)
        for arm in own:
            arm.keep(1)
        measured = {trial: [replace(trial, seed=seed) for seed in seeds] or [trial] for arm in own for trial in arm.alive}
        all_trials.measure([settings for some in measured.values() for settings in some])
    _tag(own)
    _report(own, varying, measured)
    return all_trials.failures


def _tag(arms: Sequence[Arm]) -> None:
    """Tag the trials that were not chosen in MLflow, so that comparisons leave them out."""
    for trial, reached in ((trial, reached) for arm in arms for trial, reached in arm.reached.items() if trial not in arm.alive):
        run = Run.of(trial)
        with open_tracker(run, hparams_of(trial), enabled=trial.tracking == "on") as tracker:
            tracker.set_tags({"pruned": str(reached)})
            tracker.close("FINISHED" if run.status == "finished" else "KILLED")


def _report(arms: Sequence[Arm], varying: Sequence[str], measured: Mapping[TrainingSettings, Sequence[TrainingSettings]]) -> None:
    names = [name for name in varying if name != "seed"]
    rows = [
        [*(getattr(trial, name) for name in names), reached.epochs, reached.value, "chosen" if trial in arm.alive else ""]
        for arm in arms
        for trial, reached in arm.reached.items()
    ]
    first = arms[0].settings
    file = comparison_folder(first.database, first.experiment_name, first.method) / "sweep.csv"
    write_csv(file, [*names, "epochs", "val_mAP", "chosen"], rows)
    table = [
        [*(str(getattr(trial, name)) for name in names), f"{arm.reached[trial].value:.4f}", _query(measured[trial])]
        for arm in arms
        for trial in arm.alive
    ]
    print(f"\nchosen by val mAP alone, one of {max(len(arm.reached) for arm in arms)} trials each\n")
    print(text_table([*names, "val mAP", "query mAP"], table))
    print(f"\nwritten: {file}")


def _query(trials: Sequence[TrainingSettings]) -> str:
    """Return the query mAP of the runs that measure chosen settings: mean ± standard deviation where they are several."""
    values = []
    for trial in trials:
        try:
            values.append(float(read_result(Run.of(trial).evaluation_file("query"))["mAP_expected"]))
        except RunError:
            continue  # it failed, which was said
    if len(values) < 2:
        return f"{values[0]:.4f}" if values else "-"
    return f"{fmean(values):.4f} ± {stdev(values):.4f} ({len(values)} seeds)"

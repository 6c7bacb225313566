"""Settings that every rule has its own value of, such as the learning rate: the value with the highest mAP on the val fold counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from ...errors import RunError
from .run_record import RunRecord

VAL = "best_val_mAP"  # of the epoch that prediction takes the weights of, as training measured it
Values = tuple[str, ...]  # one of each setting


@dataclass(frozen=True)
class Choice:
    """Which values of some settings a rule takes.

    Args:
        names: the settings.
        means: the mean val mAP of every choice of values over ``seeds``, the best first; of equal ones the smaller value.
        seeds: the seeds that all of them share.
    """

    names: Sequence[str]
    means: Mapping[Values, float]
    seeds: Sequence[int]

    @property
    def best(self) -> Values:
        """The values that count."""
        return next(iter(self.means))

    def describe(self, rule: str) -> str:
        """Return which values count, and which are left out, as text.

        Example:
            >>> Choice(["learning_rate"], {("0.0001",): 0.5, ("0.001",): 0.25}, [0]).describe("fa")
            'learning rate of fa: 0.0001 counts (val mAP 0.5000), left out: 0.001 (0.2500); means over seed 0'
        """
        (best, mean), *others = ((" and ".join(values), mean) for values, mean in self.means.items())
        names = " and ".join(self.names).replace("_", " ")
        left_out = ", ".join(f"{values} ({less:.4f})" for values, less in others)
        seeds = f"seed{'s' * (len(self.seeds) > 1)} {', '.join(map(str, self.seeds))}"
        return f"{names} of {rule}: {best} counts (val mAP {mean:.4f}), left out: {left_out}; means over {seeds}"


def values_of(run: RunRecord, names: Sequence[str]) -> Values:
    """Return a run's values of some settings, an empty text for one that its method has not."""
    return tuple(run.settings.get(name, "") for name in names)


def choose(runs: Sequence[RunRecord], names: Sequence[str]) -> Choice | None:
    """Choose among the values of some settings by the val fold: the highest mean over the seeds that all values share.

    Args:
        runs: runs of one rule that differ in nothing but these settings and the seed, one of each.
        names: the settings.

    Returns:
        The choice; None where all runs have the same values.

    Raises:
        RunError: naming rule, values and seeds, where no seed has a val mAP at every value.
    """
    by_values: dict[Values, dict[int, float]] = {}
    for run in runs:
        seeds = by_values.setdefault(values_of(run, names), {})
        if VAL in run.metrics:
            seeds[run.seed] = run.metrics[VAL]
    if len(by_values) < 2:
        return None
    shared = sorted(set.intersection(*(set(seeds) for seeds in by_values.values())))
    if not shared:
        raise _nothing_shared(runs[0].rule, names, by_values)
    means = {values: fmean(seeds[seed] for seed in shared) for values, seeds in by_values.items()}
    order = sorted(means, key=lambda values: (-means[values], [sortable(value) for value in values]))
    return Choice(names, {values: means[values] for values in order}, shared)


def sortable(text: str) -> tuple[bool, float, str]:
    """Return what texts are sorted by: numbers by their value, before all others.

    Example:
        >>> sorted(["0.1", "constant", "3e-05"], key=sortable)
        ['3e-05', '0.1', 'constant']
    """
    try:
        return False, float(text), ""
    except ValueError:
        return True, 0.0, text


def _nothing_shared(rule: str, names: Sequence[str], by_values: Mapping[Values, Mapping[int, float]]) -> RunError:
    listed = (
        f"{' and '.join(values)} (seeds {', '.join(map(str, sorted(seeds))) or 'none'})"
        for values, seeds in sorted(by_values.items(), key=lambda item: [sortable(value) for value in item[0]])
    )
    return RunError(
        f"no value of {' and '.join(names)} can be chosen for {rule}: no seed has a val mAP of training ({VAL}) at each of "
        f"{', '.join(listed)}; train one seed at all of them, or leave -per_rule out"
    )

"""Two attempts to train one run: the earlier one, taken for dead, wakes up and writes nothing."""

import pytest
from training_cases import equal, weights

from biodeephashing.commands.study import run_trial
from biodeephashing.commands.train import train
from biodeephashing.errors import RunError
from biodeephashing.models.PenaltyStrategies import Settings
from biodeephashing.runs import Run, only_process
from biodeephashing.training import callbacks
from biodeephashing.training.attempt import Attempt, SupersededError

QUICK = {
    "architecture": "bio-lenet", "transformations": "none", "loss": "DCH", "number_of_bits": 8, "batch_size": 8, "epochs": 3,
    "num_workers": 0, "learning_rate": 1e-3, "device": "cpu",
}  # fmt: skip


def everything_in(run: Run) -> dict[str, tuple[int, bytes]]:
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in run.directory.iterdir() if path.name != ".lock"}


@pytest.mark.parametrize("second_ends", [True, False], ids=["finished", "in training"])
def test_a_first_attempt_that_wakes_up_after_a_second_began_writes_nothing(tiny_database, monkeypatch, second_ends):
    settings = Settings(database=tiny_database, experiment_name="fenced", tracking="off", **QUICK)
    whole = train(Settings(database=tiny_database, experiment_name="whole", tracking="off", **QUICK), quiet=True)
    run, seen = Run.of(settings), []

    def sleep_through_another_attempt(self, trainer, module, batch, index):
        if trainer.current_epoch == 1 and index == 1 and not seen:
            seen.append(None)
            (run.directory / ".lock").unlink()  # locks do not reach the other node
            if second_ends:
                train(settings, quiet=True)
            else:
                Attempt.begin(run)
            seen.append(everything_in(run))

    monkeypatch.setattr(callbacks.MetricLogger, "on_train_batch_start", sleep_through_another_attempt, raising=False)
    with pytest.raises(SupersededError, match="taken over"):
        train(settings, quiet=True)
    assert everything_in(run) == seen[1]
    assert run.status == ("finished" if second_ends else "training")
    if second_ends:
        assert equal(weights(run), weights(whole))


def test_a_finished_run_keeps_no_trace_of_its_attempts(tiny_database):
    run = train(Settings(database=tiny_database, tracking="off", **QUICK | {"epochs": 1}), quiet=True)
    assert not run.attempt_file.exists()


def test_a_trial_waits_for_the_process_that_still_holds_its_run(tiny_database):
    settings = Settings(database=tiny_database, tracking="off", **QUICK)
    run = Run.of(settings)
    run.mark("training")
    with only_process(run.directory / ".lock"), pytest.raises(RunError, match=r"has been training .* for 0\.2 s"):
        run_trial(settings, None, patience=0.2)

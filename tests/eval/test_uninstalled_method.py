"""Evaluation, comparison of two runs and the list need hparams.json and codes, never the class of a run's method."""

import json

from fabricated_runs import write_run

from biodeephashing.cli import main
from biodeephashing.runs import Run


def test_a_run_of_a_method_that_is_not_installed_is_evaluated_and_compared(tiny_database, project_home, capsys):
    runs = []
    for seed in (0, 1):
        run = write_run(tiny_database, seed=seed)
        hparams = {"model": "LSH", "experiment_name": run.experiment, "database": run.database, "tables": 4, "tracking": "off"}
        run.hparams_file.write_text(json.dumps(hparams))
        foreign = Run(run.database, run.experiment, f"-tables=4-seed={seed}", "LSH")
        foreign.directory.parent.mkdir(parents=True, exist_ok=True)
        run.directory.rename(foreign.directory)
        main(["evaluate", "-p", str(foreign.directory)])
        assert json.loads(foreign.evaluation_file("query").read_text())["hparams"] == hparams
        runs.append(foreign)
    main(["compare", "-p", *(str(run.directory) for run in runs)])
    assert "A: " in capsys.readouterr().out
    main(["list"])
    assert capsys.readouterr().out.count(" LSH ") == 2

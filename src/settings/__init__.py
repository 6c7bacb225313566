"""The table of settings, and all that is derived from it: flags, YAML files, ``hparams.json`` and the names of runs."""

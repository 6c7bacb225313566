"""Runs that may be rotated, finished without being trained."""

from __future__ import annotations

from dataclasses import replace

import torch

from biodeephashing.backbones import build_network
from biodeephashing.commands.predict import predict
from biodeephashing.models.PenaltyStrategies import Settings
from biodeephashing.runs import Run
from biodeephashing.runs.hparams_json import hparams_of
from biodeephashing.training.checkpoints import write_checkpoint
from biodeephashing.training.status import recorded_training


def finish(settings: Settings, *, folds: tuple[str, ...] = ("train", "val", "query", "database"), weights: int = 0) -> Run:
    """Leave a finished run of a random network, and predict some folds."""
    torch.manual_seed(settings.seed + weights)
    network = build_network(settings.backbone, bits=settings.number_of_bits)
    torch.nn.init.normal_(network.hash_layer.weight)
    run = Run.of(settings)
    with recorded_training(run, settings, anew=True):
        content = {"epoch": 3, "val_mAP": 0.5, "hparams": hparams_of(settings), "learning_rule": {"seed": 0}, "loss": {"steps": 3}}
        write_checkpoint(run.directory / "best-epoch=3.ckpt", content | {"network": network.state_dict()})
    if folds:
        predict(replace(settings, datafolds=folds), quiet=True)
    return run

"""LLC as a method: it trains a codebook and then codes of images, each as a run of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ...codes import binarise
from ...data import Metadata
from ...errors import RunError
from ...interrupts import defer_interrupts
from ...runs import Run, only_process
from ...surroundings import launch
from ...training.checkpoints import read_checkpoint
from ...training.feeding import check_preprocessing
from ...training.meeting import leader_decides, leads
from ...training.reporting import Reporting
from ...training.same_split import check_split
from .. import Classifier, Method
from ..loading import check_finished
from ..network_method import NetworkMethod
from .settings import BOTH, CODEBOOK, Settings


class LLC(NetworkMethod):
    """Learns a code for each class by classification, then draws the codes of images to that of their class."""

    def train(self, run: Run, settings: Settings, reporting: Reporting) -> None:
        """Train the phase of a run to its end; of both phases the codebook first, unless it is finished."""
        with defer_interrupts():
            from .codebook_file import copy_codebook

        if leader_decides(lambda: run.status == "finished" and not settings.no_skip):
            if leads():
                copy_codebook(run, settings.save_codebook)
        elif settings.phase == CODEBOOK:
            _train_codebook(run, settings, reporting)
        else:
            if settings.phase == BOTH:
                _finish_codebook(settings.parent, replace(reporting, until=None))
                if not reporting.quiet:
                    print(f"second phase, the codes: {run}")
            _train_codes(run, settings, reporting)

    def classifier(self, run: Run, settings: Settings) -> Classifier:
        """Return the codebook: the probabilities of classes are a softmax of the inner products with their codes."""
        codes = torch.from_numpy(binarise(np.load(run.codebook_file)).astype(np.float32))
        products = nn.Linear(codes.shape[1], len(codes), bias=False)
        products.weight = nn.Parameter(codes, requires_grad=False)
        module = nn.Sequential(products, nn.Softmax(dim=1)).eval()

        def probabilities(features: NDArray[np.float32]) -> NDArray[np.float32]:
            values: NDArray[np.float32] = module(torch.from_numpy(features)).numpy()
            return values

        return Classifier("the codes of classes", probabilities, module)


def _train_codebook(run: Run, settings: Settings, reporting: Reporting) -> None:
    with defer_interrupts():
        from ...training.fit import fit
        from .codebook_file import keep_codebook
        from .losses import first_loss

    fit(run, settings, first_loss, reporting, finish=partial(keep_codebook, run, settings.save_codebook, quiet=reporting.quiet))


def _finish_codebook(settings: Settings, reporting: Reporting) -> None:
    """Train the codebook that a run goes on from; where another process is at it, wait for that one."""
    run = Run.of(settings)
    if leader_decides(lambda: run.status == "finished" and not settings.no_skip):
        check_split(run)
        if not reporting.quiet:
            print(f"skipped: {run} is finished (-no_skip trains it again)")
        return
    if not reporting.quiet:
        print(f"first phase, the codebook: {run}")
    try:
        _train_codebook(run, settings, reporting)
    except RunError:
        if run.status != "training" or launch().size > 1:
            raise
        with only_process(run.directory / ".lock"):
            check_finished(run)


def _train_codes(run: Run, settings: Settings, reporting: Reporting) -> None:
    with defer_interrupts():
        from ...training.fit import fit
        from .codebook_file import keep_codebook
        from .losses import InstanceLoss, check_single

    parent = Run.of(settings.parent)
    check_finished(parent)
    check_split(parent)
    check_preprocessing(parent, settings)
    start: Mapping[str, Any] = read_checkpoint(parent.best_checkpoint)

    def second_loss(settings: Settings, train_fold: Metadata) -> InstanceLoss:
        check_single(train_fold)
        return InstanceLoss(start["loss"]["weight"], len(train_fold))

    finish = partial(keep_codebook, run, settings.save_codebook, quiet=reporting.quiet)
    fit(run, settings, second_loss, reporting, start=start, finish=finish)


METHOD: Method[Settings] = LLC()

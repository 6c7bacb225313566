"""Wrong labels on purpose: how many, which, and where they are seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from biodeephashing.commands.train import train
from biodeephashing.data import PreparedDataset
from biodeephashing.errors import UsageError
from biodeephashing.models.CrossModal import Settings
from biodeephashing.models.CrossModal.feeding import CrossModalFeeding
from biodeephashing.models.CrossModal.label_noise import with_label_noise
from biodeephashing.models.CrossModal.views import transformation_of_texts


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_one_label_of_a_share_of_the_items_is_exchanged(share):
    labels = torch.from_numpy(np.random.default_rng(0).integers(0, 2, size=(200, 4))).float()
    labels[:20], labels[20:30] = 1, 0
    noisy, possible = with_label_noise(labels, share, seed=3), ((labels.sum(1) > 0) & (labels.sum(1) < 4)).sum().item()
    changed = [row for row in range(200) if not torch.equal(noisy[row], labels[row])]
    assert len(changed) == min(round(share * 200), possible)
    for row in changed:
        difference = (noisy[row] - labels[row]).tolist()
        assert sorted(difference) == [-1, 0, 0, 1]
    assert torch.equal(noisy, with_label_noise(labels, share, seed=3))
    assert share == 0 or not torch.equal(noisy, with_label_noise(labels, share, seed=4))


def test_every_own_and_every_other_label_may_be_drawn():
    labels = torch.tensor([[1.0, 1, 0, 0]]).repeat(300, 1)
    counts = (with_label_noise(labels, 1.0, seed=0) - labels).abs().sum(0)
    assert all(110 < count < 190 for count in counts.tolist())  # half of 300 each


def test_both_views_of_train_have_the_same_wrong_labels_and_no_other_fold_has_any(settings):
    prepared = PreparedDataset(settings.database)
    chosen = replace(settings, label_noise=0.5)
    feeding = CrossModalFeeding(prepared, transformation_of_texts(prepared, chosen), chosen, alternates=True)
    right = torch.from_numpy(prepared.fold("train").labels).float()
    assert (feeding.labels != right).any(1).sum() == 10
    for view in feeding.train_views.values():
        assert torch.equal(view.batch([4, 2])[1], feeding.labels[[4, 2]])
    for view in feeding.val_pairs.views.values():
        assert np.array_equal(view.labels.numpy(), prepared.fold("val").labels)


def test_a_run_says_that_its_labels_are_wrong(settings, capsys):
    run = train(replace(settings, label_noise=0.25, epochs=1))
    assert "5 of 20 items" in capsys.readouterr().out
    assert "-label_noise=0.25" in run.name
    assert run.hparams()["label_noise"] == 0.25
    assert "label_noise" not in Settings().name


def test_a_share_is_from_0_to_1():
    with pytest.raises(UsageError, match=r"-label_noise 1\.5.*from 0 to 1"):
        Settings(label_noise=1.5)

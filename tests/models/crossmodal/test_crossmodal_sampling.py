"""Trainings whose items come with partners, and whose images and texts are changed at random."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_crossmodal_training import ALONE, built
from training_cases import equal, train_and_break_off

from biodeephashing.commands.train import train
from biodeephashing.data import ImageFold, PreparedDataset
from biodeephashing.errors import DataError, UsageError
from biodeephashing.losses.crossmodal import CROSSMODAL_LOSSES
from biodeephashing.models.CrossModal import Settings
from biodeephashing.models.CrossModal.augmentation import image_changes, text_changes
from biodeephashing.models.CrossModal.feeding import CrossModalFeeding
from biodeephashing.models.CrossModal.settings import PARTNERED
from biodeephashing.models.CrossModal.views import transformation_of_texts, views_of
from biodeephashing.training.checkpoints import read_checkpoint

CHANGES = {"image_augmentation": "rotate=0.5,hflip=0.5,keep=0.2", "text_augmentation": "erase=0.3,keep=0.2"}


@pytest.mark.parametrize("sampling", PARTNERED)
@pytest.mark.parametrize("loss", ["DCMH", "DSPH"])
def test_anchors_are_followed_by_their_partners(settings, loss, sampling):
    _, feeding = built(replace(settings, loss=loss, sampling=sampling))
    feeding.trainer, size = ALONE, {"pairwise": 2, "triplet": 3, "quadruplet": 4}[sampling]
    labels = feeding.labels.numpy() > 0
    loaders = feeding.train_dataloader()
    loaders.set_epoch(4)
    for one, partners in zip(loaders.loaders, feeding.partners.values(), strict=True):
        batches = [next(iter(batch.values()))[2].numpy() for batch in one]
        assert [len(rows) for rows in batches] == [8 * size, 8 * size, 4 * size]
        groups = np.concatenate(batches).reshape(-1, size)
        assert sorted(groups[:, 0].tolist()) == list(range(20))
        assert np.array_equal(groups[:, 1:], partners.drawn(4)[groups[:, 0]])
        shared = (labels[groups[:, :1]] & labels[groups[:, 1:]]).any(axis=2)
        assert sampling == "pairwise" or (shared == np.eye(1, size - 1, dtype=bool)).all()


@pytest.mark.parametrize("loss", CROSSMODAL_LOSSES)
def test_every_loss_takes_items_with_partners(settings, loss):
    for sampling in PARTNERED:
        module, feeding = built(
            replace(settings, loss=loss, sampling=sampling, architecture="lenet", text_architecture="mlp:16", mode="bp")
        )
        module.loss.on_fit_start(feeding.labels)
        module.join, feeding.trainer = lambda *shares: shares, ALONE
        for batch in feeding.train_dataloader():
            assert torch.isfinite(module.loss_of(module.on_after_batch_transfer(batch, 0))), sampling


@pytest.mark.slow
@pytest.mark.parametrize("sampling", ["permutation", "independent", *PARTNERED])
@pytest.mark.parametrize("loss", CROSSMODAL_LOSSES)
def test_every_loss_trains_by_every_sampling(settings, loss, sampling):
    run = train(replace(settings, loss=loss, sampling=sampling, **CHANGES), quiet=True)
    assert run.status == "finished"
    assert run.hparams().get("sampling", "permutation") == sampling


@pytest.mark.parametrize("sampling", ["triplet"])
def test_a_resumed_training_equals_an_uninterrupted_one(settings, monkeypatch, sampling):
    chosen = replace(settings, sampling=sampling, epochs=3, **CHANGES)
    whole = train_and_break_off(monkeypatch, chosen, epoch=1)
    resumed = train(chosen, quiet=True)
    assert equal(*(read_checkpoint(run.last_checkpoint)["state_dict"] for run in (whole, resumed)))


def test_items_without_partners_are_left_out_and_counted(settings, prepare_pairs, capsys):
    name = prepare_pairs("SPARSE", without_text=(0, 3, 6, 9, 12, 15))  # all of one colour but one
    train(replace(settings, database=name, sampling="quadruplet", epochs=1))
    out = capsys.readouterr().out
    assert "of images: 20 of 20 items as anchors" in out
    assert "of texts: 13 of 14 items as anchors; without a positive 1, without a negative 0" in out


def test_labels_that_leave_no_anchor(settings, prepare_pairs):
    prepared = PreparedDataset(settings.database)
    prepared.fold("train").labels[:, 3] = 1  # all share a class
    chosen = replace(settings, sampling="triplet")
    with pytest.raises(DataError, match=r"-sampling triplet.*without a negative 20"):
        CrossModalFeeding(prepared, transformation_of_texts(prepared, chosen), chosen, alternates=True)


def test_only_what_is_learned_from_is_changed(settings):
    prepared = PreparedDataset(settings.database)
    chosen = replace(settings, **CHANGES)
    texts, rows = transformation_of_texts(prepared, chosen), range(10)
    plain = views_of(prepared, "train", texts, settings, training=True)
    for fold, training in (("train", True), ("train", False), ("val", False)):
        views = views_of(prepared, fold, texts, chosen, training=training)
        expected = plain if fold == "train" else views_of(prepared, fold, texts, settings)
        for modality, view in views.items():
            for epoch in (0, 1):
                assert torch.equal(view.batch(rows, epoch)[0], expected[modality].batch(rows, epoch)[0]) != training
    assert isinstance(plain["image"], ImageFold)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"image_augmentation": "rotat=0.5"}, "'rotat': did you mean 'rotate'"),
        ({"image_augmentation": "rotate=2"}, "rotate is a probability"),
        ({"image_augmentation": "keep=0.5"}, "changes nothing"),
        ({"image_augmentation": "angles=90,hflip=0.5"}, "angles are those of a rotation"),
        ({"image_augmentation": "rotate=0.5,angles=45"}, "90, 180 or 270"),
        ({"image_augmentation": "rotate=0.5", "architecture": "mlp:8", "transformations": ""}, "takes ready features"),
        ({"text_augmentation": "erase=0.5,value=0.5"}, "0 or 1"),
        ({"text_augmentation": "erasure=0.5"}, "did you mean 'erase'"),
        ({"text_augmentation": "erase=true"}, "erase is a probability"),
        ({"sampling": "triplets"}, "did you mean 'triplet'"),
    ],
)
def test_changes_that_cannot_be(changed, message):
    with pytest.raises(UsageError, match=message):
        Settings(**changed)


def test_changes_that_mean_the_same_are_written_the_same():
    one, other = (Settings(image_augmentation=text) for text in ("hflip=0.50, rotate=0.5", "rotate=.5,hflip=0.5"))
    assert one == other
    assert image_changes(one.image_augmentation) == {"hflip": 0.5, "rotate": 0.5}
    assert text_changes("") == {}


def test_a_name_that_would_be_too_long():
    own = {"image_augmentation": "hflip=0.5,keep=0.5,rotate=0.5,vflip=0.5", "text_augmentation": "erase=0.1,keep=0.5"}
    long = Settings(**own, architecture="bio-lenet", constants="gamma=2.0", sampling="independent", schedule="step:30:0.1")
    assert len(long.name.encode()) <= 255
    assert "-img_aug=~" in long.name
    assert "-img_aug=hflip%3D0.5" in Settings(**own).name
    assert long.name != replace(long, image_augmentation="hflip=0.5,keep=0.4,rotate=0.5,vflip=0.5").name

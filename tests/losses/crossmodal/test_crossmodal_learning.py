"""Every cross-modal loss, minimised over free outputs, brings what is similar together across modalities."""

import pytest
import torch
from crossmodal_cases import CLASSES, MODALITIES, NAMES

from biodeephashing.losses.crossmodal import CROSSMODAL_LOSSES

ITEMS, BITS = 40, 16
# Among so few items the quantisation would keep the first signs.
CONSTANTS = {"DCMH": {"gamma": 0.0}, "PRDH": {"gamma": 0.0}}


def learnt(name, steps=80):
    """Return the codes of both modalities after a training of outputs without any tower, and the labels."""
    labels = torch.eye(CLASSES)[torch.arange(ITEMS) % CLASSES]
    torch.manual_seed(0)
    loss = CROSSMODAL_LOSSES[name](bits=BITS, classes=CLASSES, train_size=ITEMS, similar_probability=0.25, **CONSTANTS.get(name, {}))
    towers = [torch.nn.Parameter(torch.randn(ITEMS, BITS) / 10) for _ in MODALITIES]
    loss.on_fit_start(labels)
    if loss.alternates:
        loss.start(*towers)
    optimizer = torch.optim.Adam([{"params": towers, "lr": 0.02}, *loss.parameter_groups(0.002)])
    for step in range(steps):
        for half in torch.randperm(ITEMS, generator=torch.Generator().manual_seed(step)).chunk(2):
            passes = [(tower[half], labels[half], half, modality) for tower, modality in zip(towers, MODALITIES, strict=True)]
            for arguments in passes if loss.alternates else [(*(tower[half] for tower in towers), labels[half], half)]:
                optimizer.zero_grad()
                loss(*arguments).backward()
                optimizer.step()
        loss.on_epoch_end()
    return *(torch.where(tower >= 0, 1.0, -1.0) for tower in towers), labels


@pytest.mark.parametrize("name", NAMES)
def test_similar_items_get_nearer_codes_across_modalities(name):
    images, texts, labels = learnt(name)
    cosines = images @ texts.T / BITS
    similar = labels @ labels.T > 0 if CROSSMODAL_LOSSES[name].needs_labels else torch.eye(ITEMS, dtype=torch.bool)
    assert cosines[similar].mean() > cosines[~similar].mean() + 0.2

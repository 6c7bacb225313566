"""What the tests of the losses share: ready losses, random batches and extreme ones."""

import torch
from loss_oracles import cases

from biodeephashing.losses import LOSSES

NAMES = sorted(LOSSES)
CASES = cases()
RELAXATIONS = [(name, cube) for name in NAMES for cube in ((True,) if LOSSES[name].own_relaxation else (True, False))]
BITS, CLASSES = 8, 4


def said(name, word, default):
    """Return what a loss's file of the oracles says of it."""
    return getattr(CASES[name], word, default)


def build(name, bits=BITS, classes=CLASSES, **changes):
    """Return a ready loss, always the same."""
    torch.manual_seed(0)
    shared = {"train_size": 100, "similar_probability": 0.3, "penalty": 0.1}
    loss = LOSSES[name](bits=bits, classes=classes, **(shared | changes))
    loss.on_fit_start(train_labels(loss.train_size, classes))
    if loss.needs_reference:
        loss.set_reference(torch.randn(loss.train_size, 5))
    said(name, "prepare", lambda loss: None)(loss)
    return loss


def train_labels(images=100, classes=CLASSES):
    """Return labels of a train fold, always the same."""
    return torch.randint(2, (images, classes), generator=torch.Generator().manual_seed(9)).float()


def batch(rows=6, bits=BITS, classes=CLASSES, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    outputs = torch.randn(rows, bits, generator=generator, dtype=torch.float64).to(dtype)
    labels = torch.randint(2, (rows, classes), generator=generator)
    return outputs, labels, torch.arange(rows)


def value_and_gradient(loss, outputs, labels, index=None):
    outputs = outputs.detach().clone().requires_grad_()
    value = loss(outputs, labels, torch.arange(len(outputs)) if index is None else index)
    value.backward()
    return value.detach(), outputs.grad


def extreme_batches():
    outputs, labels, _ = batch(dtype=torch.float32)
    one_hot = torch.eye(CLASSES, dtype=torch.int64)
    similar, dissimilar = one_hot[[0] * 6], one_hot
    return {
        "duplicates": (outputs[[0, 0, 1, 1, 0, 0]], labels),
        "duplicates with nothing in common": (outputs[[0, 0, 0, 0]], dissimilar),
        "zero rows": (outputs * torch.tensor([[0.0], [1.0], [0.0], [1.0], [1.0], [0.0]]), labels),
        "only zero rows": (torch.zeros(6, BITS), labels),
        "nearly zero rows": (outputs * 1e-30, labels),
        "only similar pairs": (outputs, similar),
        "only dissimilar pairs": (outputs[:4], torch.zeros_like(dissimilar)),
        "different classes": (outputs[:4], dissimilar),
        "one row": (outputs[:1], labels[:1]),
        "one row without a class": (outputs[:1], torch.zeros_like(labels[:1])),
        "one zero row": (torch.zeros(1, BITS), torch.ones(1, CLASSES)),
        "huge outputs": (1e3 * outputs / outputs.abs().amax(), labels),
        "all at 1000": (torch.full((6, BITS), 1e3) * outputs.sign(), labels),
        "rows without a class": (outputs, labels * torch.tensor([[0], [1], [0], [1], [0], [1]])),
        "exact signs": (outputs.sign(), labels),
    }


EXTREMES = extreme_batches()

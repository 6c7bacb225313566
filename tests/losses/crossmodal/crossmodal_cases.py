"""What the tests of the cross-modal losses share: ready losses, random batches and extreme ones."""

import torch
from crossmodal_oracles import CONSTANTS, ORACLES, Memory

from biodeephashing.losses.crossmodal import CROSSMODAL_LOSSES

NAMES = sorted(CROSSMODAL_LOSSES)
ALTERNATING = [name for name in NAMES if CROSSMODAL_LOSSES[name].alternates]
JOINT = [name for name in NAMES if not CROSSMODAL_LOSSES[name].alternates]
GRADED = ["CMHH", "DCMH", "DNpH", "PRDH"]
MODALITIES = ("image", "text")
BITS, CLASSES, ITEMS = 6, 4, 9


def train_labels(items=ITEMS):
    """Return labels of a train fold, some items without a class and some with several."""
    return torch.randint(2, (items, CLASSES), generator=torch.Generator().manual_seed(5)) * (torch.arange(items) % 4 > 0)[:, None]


def build(name, labels=None, lacking=False, dtype=torch.float64, **changes):
    """Return a ready loss, always the same; ``lacking``: some items have one modality only."""
    torch.manual_seed(0)
    labels = train_labels() if labels is None else labels
    shared = {"bits": BITS, "classes": CLASSES, "train_size": len(labels), "similar_probability": 0.3}
    loss = CROSSMODAL_LOSSES[name](**(shared | changes)).to(dtype)
    loss.on_fit_start(labels.float())
    if loss.alternates:
        if lacking:
            items = torch.arange(len(labels))
            loss.set_present(items != 7, items != 8)
        loss.start(None, torch.randn(len(labels), loss.bits, dtype=torch.float64))
    return loss


def batch(rows=4, seed=0, dtype=torch.float64, labels=None):
    """Return outputs of both towers, labels and indices of random items."""
    generator = torch.Generator().manual_seed(seed)
    labels = train_labels() if labels is None else labels
    index = torch.randperm(7, generator=generator)[:rows]
    images, texts = torch.randn(2, rows, BITS, generator=generator, dtype=torch.float64).to(dtype)
    return images, texts, labels[index], index


def levels_of(loss, outputs):
    """Return outputs as a loss takes them: of its levels, made of them, where it has some; as the oracles make them."""
    return torch.stack([outputs.flip(-1), outputs / 2, outputs], dim=1) if loss.levels else outputs


def calls_of(loss):
    """Return the ways to call a loss: a function of image and text outputs, labels and indices, by name."""
    if not loss.alternates:
        return {"both": loss}
    return {
        "image": lambda images, texts, labels, index: loss(levels_of(loss, images), labels, index, "image"),
        "text": lambda images, texts, labels, index: loss(levels_of(loss, texts), labels, index, "text"),
    }


def value_and_gradients(call, images, texts, labels, index):
    images, texts = images.detach().clone().requires_grad_(), texts.detach().clone().requires_grad_()
    value = call(images, texts, labels, index)
    value.backward()
    return value.detach(), [outputs.grad if outputs.grad is not None else torch.zeros_like(outputs) for outputs in (images, texts)]


def expected(loss, way, images, texts, labels, index, **constants):
    """Return what the oracle says, as a function of image and text outputs; the loss has just been called."""
    oracle, labels, index = ORACLES[type(loss).__name__], labels.tolist(), index.tolist()
    if not loss.alternates:
        return lambda images, texts: oracle(images, texts, labels, loss, **constants)
    own, oth = (way, "text" if way == "image" else "image")
    memory = Memory(
        labels=loss.labels.tolist(),
        own=getattr(loss, own).tolist(),
        oth=getattr(loss, oth).tolist(),
        own_present=getattr(loss, f"{own}_present").tolist(),
        oth_present=getattr(loss, f"{oth}_present").tolist(),
        target=loss.target.tolist(),
        index=index,
    )
    return lambda images, texts: oracle(images if way == "image" else texts, labels, memory, **constants)


def slopes(function, images, texts, step=1e-6):
    """Return the gradient of a function of two lists of rows by central differences."""
    found = []
    for rows in (images, texts):
        gradient = []
        for row in rows:
            gradient.append([])
            for k in range(len(row)):
                value = row[k]
                row[k] = value + step
                above = function(images, texts)
                row[k] = value - step
                below = function(images, texts)
                row[k] = value
                gradient[-1].append((above - below) / (2 * step))
        found.append(torch.tensor(gradient, dtype=torch.float64))
    return found


def chosen(name):
    """Return the constants to try: the defaults, and others."""
    return [{}, CONSTANTS[name]] if CONSTANTS[name] else [{}]


def extreme_batches():
    """Return labels of a train fold of 9, and outputs and indices of a batch, by what is extreme about them."""
    labels, one_hot = train_labels(), torch.eye(CLASSES, dtype=torch.int64)
    outputs, index = torch.randn(4, BITS, generator=torch.Generator().manual_seed(2)), torch.tensor([1, 4, 0, 6])
    whole = torch.randn(ITEMS, BITS, generator=torch.Generator().manual_seed(3))
    return {
        "identical codes": (labels, outputs[[0, 0, 0, 0]], index),
        "one item": (labels, outputs[:1], index[:1]),
        "one item without a class": (labels, outputs[:1], torch.tensor([0])),
        "outputs at 1000": (labels, 1000 * outputs.sign(), index),
        "outputs at -1000 and 1000, identical": (labels, 1000 * outputs[[0, 0, 0, 0]].sign(), index),
        "nothing similar": (torch.zeros_like(labels), outputs, index),
        "everything similar": (one_hot[[0] * ITEMS], outputs, index),
        "everything has all classes": (torch.ones_like(labels), outputs, index),
        "zero rows": (labels, outputs * torch.tensor([[0.0], [1.0], [0.0], [1.0]]), index),
        "only zeros": (labels, torch.zeros_like(outputs), index),
        "nearly zero": (labels, outputs * 1e-30, index),
        "the whole train fold": (labels, whole, torch.arange(ITEMS)),
        "exact signs": (labels, outputs.sign(), index),
        "an item twice": (labels, outputs[[0, 1, 0, 1]], index[[0, 1, 0, 1]]),
    }


EXTREMES = extreme_batches()

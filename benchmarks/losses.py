"""What a loss costs, forwards and backwards, against the same formula written down with (B, 1, K) and (1, B, K) tensors.

Beside each loss stands its plain form: every pair spelt out by broadcasting, or where there are no pairs the formula line by line,
without guards against overflow, empty sets and zero rows. Both must give the same value. Loss, a second copy of it and the plain
form take turns in every round, in a random order; reported are medians over rounds of the ratio within a round. What the second copy
differs from 1 by is noise.

With -bank_rows N, instead, whole training steps of LeNet: with a memory bank of N images, all written, against pairs within the batch.
Losses that always keep a bank are measured against the steps of DPSH within the batch.

    python benchmarks/losses.py -rounds 200 -threads 1
    python benchmarks/losses.py -bank_rows 10000 -classes 10 -bits 32 -rounds 40 -threads 1
"""

from __future__ import annotations

import argparse
import copy
import statistics
from collections.abc import Callable
from typing import TYPE_CHECKING

from learning_rules import AGAIN, PLAIN, measure, ratio

from biodeephashing.registry import declared_on_disk, names_on_disk

if TYPE_CHECKING:
    from torch import Tensor

    from biodeephashing.losses import HashingLoss

FORMULA, BANK = "formula", "bank"
WITHOUT_PAIRS = ("BiHalf", "CSQ", "DPN", "GreedyHash", "GreedyHashUnsupervised", "OrthoHash")


def inner(z: Tensor) -> Tensor:
    """Return all inner products (B, B)."""
    return (z[:, None] * z[None]).sum(-1)


def square(z: Tensor) -> Tensor:
    """Return all squared distances (B, B)."""
    return (z[:, None] - z[None]).square().sum(-1)


def cosine(z: Tensor) -> Tensor:
    """Return all cosines (B, B)."""
    from torch.nn import functional as F  # noqa: N812

    return F.cosine_similarity(z[:, None], z[None], dim=-1)


def likelihood(t: Tensor, s: Tensor) -> Tensor:
    """Return the negative log-likelihood of similarities."""
    return (1 + t.exp()).log() - s * t


def similarity(name: str, y: Tensor) -> Tensor:
    """Return which rows share a class, or how far their classes agree (B, B)."""
    if name in ("IDHN", "ISDH"):
        return cosine(y)
    return ((y[:, None] * y[None]).sum(-1) > 0).float()


def weigh(s: Tensor, p: float) -> Tensor:
    """Return the weights of pairs (B, B)."""
    return s / p + (1 - s) / (1 - p)


def to_signs(z: Tensor) -> Tensor:
    """Return the mean squared distance to the signs."""
    return (z - z.sign()).square().sum(1).mean()


def signs(f: Tensor) -> Tensor:
    """Return signs with a straight-through gradient."""
    return f + (f.sign() - f).detach()


def plain_value(name: str, loss: HashingLoss, f: Tensor, y: Tensor, index: Tensor) -> Tensor:
    """Return the value of a loss from its formula as it stands."""
    import torch
    from torch.nn import functional as F  # noqa: N812

    o, lam, k, half = loss, loss.penalty, loss.bits, len(f) // 2
    z = f.tanh()
    s = torch.empty(0) if name in WITHOUT_PAIRS else similarity(name, y)
    match name:
        case "BiHalf":
            order = f.argsort(0, descending=True).argsort(0)
            b = torch.where(order < half, 1.0, -1.0)
            x = o.reference[index]
            b_cos = F.cosine_similarity((f + (b - f).detach())[:half], (f + (b - f).detach())[half:])
            pull = o.gamma / (2 * f.numel()) * (f - b).square().sum()
            return (b_cos - F.cosine_similarity(x[:half], x[half:])).square().mean() + pull
        case "CEL":
            return (s * (1 - cosine(z)) + (1 - s) * (cosine(z) - o.separation).relu()).mean()
        case "CSQ":
            t = torch.sign(y @ o.targets.centres)
            t = torch.where(t == 0, o.targets.ties, t)
            return F.binary_cross_entropy((1 + z) / 2, (1 + t) / 2) + lam * (z.abs() - 1).square().mean()
        case "DBDH":
            z = f.clamp(-1, 1)
            return likelihood(inner(z) / 2, s).mean() + lam * z.mean(1).square().mean()
        case "DCH":
            d = k * (1e-5 + (1 - 2e-5) * (1 - cosine(z)) / 2)
            corner = k * (1e-5 + (1 - 2e-5) * (1 - F.cosine_similarity(z.abs(), torch.ones_like(z))) / 2)
            pairs = s * torch.log(1 + d / o.gamma) + (1 - s) * torch.log(1 + o.gamma / d)
            return (weigh(s, o.similar_probability) * pairs).mean() + lam * torch.log(1 + corner / o.gamma).mean()
        case "DFH":
            t = inner(z) / 2
            b = signs(o.pull * y @ torch.where(o.centres >= 0, 1.0, -1.0).T + z).detach()
            pairs = s * torch.log(1 + torch.exp(o.margin - t)) + (1 - s) * torch.log(1 + torch.exp(o.margin + t))
            return pairs.mean() + lam * (b - z).square().mean()
        case "DHN":
            return likelihood(inner(z) / 2, s).mean() + lam * torch.log(torch.cosh(z.abs() - 1)).sum(1).mean()
        case "DPN":
            t = torch.sign(y @ o.targets.centres)
            return (1 - f * torch.where(t == 0, o.targets.ties, t)).relu().mean()
        case "DPSH":
            return likelihood(inner(z) / 2, s).mean() + lam * to_signs(z)
        case "DSDH":
            return likelihood(inner(z) / 2, s).mean()  # of the first epoch
        case "DSH":
            d = square(z)
            return (s * d + (1 - s) * (o.margin - d).relu()).mean() / 2 + lam * (z.abs() - 1).abs().sum(1).mean()
        case "DSHSD":
            d = square(z)
            pairs = (s * d + (1 - s) * (o.margin - d).relu()).mean() / 2
            return F.binary_cross_entropy_with_logits(o.head(z), y, reduction="none").sum(1).mean() + o.contrast * pairs
        case "DTSH":
            t, others = inner(z) / 2, 1 - torch.eye(len(z))
            x = (t[:, :, None] - t[:, None, :] - o.margin).clamp(-100, 50)
            chosen = (s * others)[:, :, None] * ((1 - s) * others)[:, None, :]
            counts = chosen.sum((1, 2))
            return ((chosen * F.softplus(-x)).sum((1, 2))[counts > 0] / counts[counts > 0]).mean() + lam * to_signs(z)
        case "GreedyHash":
            return F.binary_cross_entropy_with_logits(o.head(signs(f)), y) + lam * (f.abs() - 1).abs().pow(3).mean()
        case "GreedyHashUnsupervised":
            b, x = signs(f), o.reference[index]
            difference = F.cosine_similarity(b[:half], b[half:]) - F.cosine_similarity(x[:half], x[half:])
            return difference.square().mean() + lam * (f.abs() - 1).abs().pow(3).mean()
        case "HashNet":
            return (weigh(s, o.similar_probability) * likelihood(o.alpha * inner(z), s)).mean()
        case "HashNetBatchWeighted":
            pairs = likelihood(o.alpha * inner(z), s)
            return pairs[s == 1].mean() + pairs[s == 0].mean()
        case "HashNetTwoBatch":
            return likelihood(o.alpha * (z[:half, None] * z[None, half:]).sum(-1), s[:half, half:]).mean()
        case "HyP2":
            to_proxy = F.cosine_similarity(z[:, None], o.proxies[None], dim=-1)
            proxies = (to_proxy - o.separation).relu()[y == 0].mean() - to_proxy[y == 1].mean()
            return proxies + lam * (cosine(z) - o.separation).relu()[s == 0].mean()
        case "IDHN" | "ISDH":
            z = f / (1 + f.abs())
            t, clear = o.alpha * inner(z), (s > 0.99) | (s < 0.01)
            if name == "ISDH":
                pairs = torch.where(clear, o.gamma * likelihood(t, s), (s - torch.sigmoid(t)).square())
            else:
                pairs = torch.where(clear, likelihood(t, s), o.gamma * (o.beta * inner(z) + k - 2 * s * k).square())
            return pairs.mean() + lam * (z.abs() - 1).abs().mean()
        case "LCDSH":
            t, b = inner(z) / 2, inner(z.sign().detach()) / 2
            return likelihood(t, s).mean() + lam * (torch.sigmoid(t) - torch.sigmoid(b)).square().mean()
        case "OrthoHash":
            z = F.batch_norm(f, None, None, training=True)
            logits = o.scale * (F.cosine_similarity(z[:, None], o.centres[None], dim=-1) - o.margin * y)
            return F.cross_entropy(logits, y / y.sum(1, keepdim=True))
        case "QSMIH":
            g = (1 + cosine(z)) / 2
            return ((s * g - 1).square() + s.mean() * g.square()).mean() + lam * (z.abs() - 1).abs().mean()
        case "WGLHH":
            c = cosine(z)
            x = o.alpha * (k * (1 - c) / 2).square()
            g, a = torch.exp(-x), torch.exp(((1 + c) / 2 - s).abs())
            pairs = a * ((1 - s) * g - s * ((1 + g) * torch.log(1 + g) + x * g))
            return (weigh(s, o.similar_probability) * pairs).mean() + lam * to_signs(z)
    raise SystemExit(f"{name} has no formula in this file yet: write it down")


def build(name: str, labels: Tensor, bits: int, *, bank: bool = False) -> HashingLoss:
    """Return a loss with its default constants, always the same, for training images with these labels."""
    import torch

    from biodeephashing.losses import LOSSES, similar_probability

    torch.manual_seed(0)
    loss = LOSSES[name](
        bits=bits, classes=labels.shape[1], train_size=len(labels), similar_probability=similar_probability(labels), penalty=0.1,
        multi_label=True, bank=bank,
    )  # fmt: skip
    loss.on_fit_start(labels)
    if loss.needs_reference:
        loss.set_reference(torch.randn(len(labels), 4096))
    return loss


def row(name: str, batch: int, bits: int, classes: int, rounds: int) -> str:
    """Return the row of one loss: time of its plain form over its own, and that of its second copy."""
    import torch

    generator = torch.Generator().manual_seed(0)
    labels = torch.zeros(batch, classes).scatter_(1, torch.rand(batch, classes, generator=generator).argsort(1)[:, :3], 1.0)
    outputs = torch.randn(batch, bits, generator=generator).requires_grad_()
    index, loss = torch.arange(batch), build(name, labels, bits)
    second = copy.deepcopy(loss)

    def task(value: Callable[[], Tensor]) -> Callable[[], None]:
        return lambda: value().backward()

    def formula() -> Tensor:
        return plain_value(name, loss, outputs, labels, index)

    torch.testing.assert_close(formula(), copy.deepcopy(loss)(outputs, labels, index), rtol=1e-4, atol=1e-5)
    tasks = {
        PLAIN: task(lambda: loss(outputs, labels, index)),
        AGAIN: task(lambda: second(outputs, labels, index)),
        FORMULA: task(formula),
    }
    seconds = measure(tasks, rounds, name)
    own, written = (1000 * statistics.median(seconds[key]) for key in (PLAIN, FORMULA))
    return f"| {name} | {own:.2f} | {ratio(seconds, AGAIN):.2f} | {written:.2f} | {ratio(seconds, FORMULA):.1f} |"


def bank_row(name: str, options: argparse.Namespace) -> str:
    """Return the row of one loss: time of a training step with a full memory bank over that of a step with pairs of the batch alone."""
    import torch

    from biodeephashing.backbones import build_network

    generator = torch.Generator().manual_seed(0)
    rows, batch, bits = options.bank_rows, options.batch, options.bits
    labels = torch.eye(options.classes)[torch.randint(options.classes, (rows,), generator=generator)]
    images, index = torch.randn(batch, 3, 32, 32, generator=generator), torch.randperm(rows, generator=generator)[:batch]
    always = declared_on_disk("losses", "LOSSES")[name]["bank"] == "always"

    def task(loss: HashingLoss) -> Callable[[], None]:
        torch.manual_seed(0)
        network = build_network("lenet", bits=bits)
        optimizer = torch.optim.Adam(network.parameters(), 1e-4)

        def step() -> None:
            optimizer.zero_grad()
            loss(network(images), labels[index], index).backward()
            optimizer.step()
            loss.advance()

        return step

    full = build(name, labels, bits, bank=True)
    full.memory.write(torch.arange(rows), torch.randn(rows, bits, generator=generator).tanh())
    alone = "DPSH" if always else name
    tasks = {PLAIN: task(build(alone, labels, bits)), AGAIN: task(build(alone, labels, bits)), BANK: task(full)}
    seconds = measure(tasks, options.rounds, name)
    inside, outside = (1000 * statistics.median(seconds[key]) for key in (PLAIN, BANK))
    return f"| {name} | {inside:.1f} | {ratio(seconds, AGAIN):.2f} | {outside:.1f} | {ratio(seconds, BANK):.2f} |"


def main() -> None:
    """Parse the command line, measure, and print one Markdown table."""
    losses = names_on_disk("losses", "LOSSES")
    with_bank = [name for name, facts in declared_on_disk("losses", "LOSSES").items() if "bank" in facts]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "-losses", nargs="+", default=losses, choices=losses, help="losses; those without a memory bank are left out with -bank_rows"
    )
    parser.add_argument("-batch", type=int, default=128, help="images of a batch")
    parser.add_argument("-bits", type=int, default=64, help="length of a code")
    parser.add_argument("-classes", type=int, default=80, help="classes, of which each image has three")
    parser.add_argument("-bank_rows", type=int, default=0, help="training images in a memory bank (0: measure losses of a batch)")
    parser.add_argument("-rounds", type=int, default=200, help="rounds")
    parser.add_argument("-threads", type=int, help="threads; as many as PyTorch takes where nothing is said")
    options = parser.parse_args()

    import torch

    options.threads = options.threads or torch.get_num_threads()
    torch.set_num_threads(options.threads)
    print(f"batch {options.batch}, {options.bits} bits, {options.classes} classes, {options.rounds} rounds, ", end="")
    print(f"{options.threads} threads, PyTorch {torch.__version__}\n")
    if options.bank_rows:
        print(f"training steps of LeNet, 32 × 32 pixels, {options.bank_rows:,} rows\n")
        print("| loss | within the batch, ms | again | with a bank, ms | ratio |\n|---|---:|---:|---:|---:|")
        for name in (name for name in options.losses if name in with_bank):
            print(bank_row(name, options), flush=True)
        return
    print("| loss | ms | again | formula, ms | formula / loss |\n|---|---:|---:|---:|---:|")
    for name in options.losses:
        print(row(name, options.batch, options.bits, options.classes, options.rounds), flush=True)


if __name__ == "__main__":
    main()

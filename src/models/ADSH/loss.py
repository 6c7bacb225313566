"""The loss of ADSH, which owns the codes of the train fold and solves for them after each round."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...codes.banks import MemoryBank
from ...codes.signs import signs
from ...codes.solvers import adsh_correlation, adsh_loss, adsh_ratio, adsh_similarity, adsh_update
from ...data import Metadata
from ...losses import HashingLoss
from .settings import Settings

_SAMPLES, _CODES = 1, 2  # streams of random numbers of a seed


class ADSHLoss(HashingLoss):
    r"""Draws outputs of sampled images to the codes of all training images, and these to what the labels say.

    A round samples m images without replacement, trains on them for some epochs by
    :func:`~biodeephashing.codes.solvers.adsh_loss`, and passes once over the bits of V by
    :func:`~biodeephashing.codes.solvers.adsh_update`. There U is what the network made of each sampled image when it saw it last in
    the round. V begins with random signs: zeros would give the network no gradient.

    References:
        Asymmetric Deep Supervised Hashing (Jiang, Li; AAAI 2018).

    Args:
        labels: of the whole train fold by dataset index, 0 or 1, float32 (n, C).
        images: which of them have an image and can be sampled, by dataset index.
        bits: K.
        samples: m; no more than there are images.
        round_epochs: epochs of a round.
        epochs: of the training; the last one ends its round.
        gamma: γ.
        seed: of the first V and of all samples.

    Example:
        >>> loss = ADSHLoss(torch.eye(4), torch.arange(4), 2, samples=2, round_epochs=1, epochs=3, gamma=0.0, seed=0)
        >>> loss.epoch_rows(0).tolist(), loss.epoch_rows(1).tolist()
        ([1, 3], [1, 2])
        >>> loss = loss(torch.zeros(1, 2), torch.eye(4)[:1], torch.tensor([0]))
        >>> round(loss.item(), 4)  # K S = 2, -2/3, -2/3, -2/3: (4 + 3 · 4/9) / 4
        1.3333
    """

    codes: Tensor
    epoch: Tensor
    ratio: Tensor

    def __init__(
        self, labels: Tensor, images: Tensor, bits: int, *, samples: int, round_epochs: int, epochs: int, gamma: float, seed: int
    ) -> None:  # fmt: skip
        super().__init__(bits=bits, classes=labels.shape[1], train_size=len(labels), similar_probability=1.0, penalty=0.0)
        self.images, self.samples, self.round_epochs, self.epochs = images, samples, round_epochs, epochs
        self.gamma, self.seed = gamma, seed
        self.bank = MemoryBank(labels, bits)
        first = np.where(_draws(len(labels) * bits, seed, 0, _CODES) >> np.uint64(63), 1, -1)
        self.register_buffer("codes", torch.from_numpy(first.reshape(-1, bits)).float())
        self.register_buffer("epoch", torch.zeros((), dtype=torch.int64))
        self.register_buffer("ratio", torch.zeros((), dtype=torch.float64))
        self._begin_round()

    def epoch_rows(self, epoch: int) -> Tensor:
        """Return the images of the round of an epoch, ascending, (m,)."""
        draws = _draws(len(self.images), self.seed, epoch // self.round_epochs, _SAMPLES)
        return self.images[np.sort(np.argsort(draws, kind="stable")[: self.samples])]

    def objective(self, codes: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the loss of sampled outputs after tanh (B, K), labels (B, C) and indices (B,)."""
        self.bank.write(index, codes)
        similar = adsh_similarity(labels, self.bank.labels, self.ratio, codes.dtype)
        return adsh_loss(codes, self.codes, similar, self.codes[index], self.gamma)

    def epoch_values(self) -> dict[str, float]:
        """Return the share of bits in which the network, as it last saw the images of the round, agrees with V."""
        agreement = signs(self.bank.codes[self.bank.written]) == self.codes[self.bank.written]
        return {"agreement": float(agreement.float().mean())}

    def on_epoch_end(self) -> None:
        """Where a round ends, solve for V and begin the next one."""
        self.epoch += 1
        done = int(self.epoch)
        if done % self.round_epochs == 0 or done == self.epochs:
            self._solve()
            self._begin_round()

    def _solve(self) -> None:
        index = self.bank.written.nonzero().squeeze(1)
        outputs, labels = self.bank.codes[index], self.bank.labels[index]
        correlation = adsh_correlation(outputs, labels, self.bank.labels, float(self.ratio))
        self.codes.copy_(adsh_update(self.codes, outputs, index, correlation, self.gamma))

    def _begin_round(self) -> None:
        self.bank.clear()
        rows = self.epoch_rows(int(self.epoch)).to(self.codes.device)
        self.ratio.fill_(adsh_ratio(self.bank.labels[rows], self.bank.labels))


def build_loss(settings: Settings, train_fold: Metadata) -> ADSHLoss:
    """Build the loss of a run for the labels of its train fold."""
    return ADSHLoss(
        torch.from_numpy(train_fold.labels).float(),
        torch.from_numpy(np.flatnonzero(train_fold.present)),
        settings.number_of_bits,
        samples=settings.samples,
        round_epochs=settings.round_epochs,
        epochs=settings.epochs,
        gamma=settings.gamma,
        seed=settings.seed,
    )


def _draws(count: int, *key: int) -> NDArray[np.uint64]:
    """Return raw 64-bit draws, a stream that NumPy promises for good."""
    return np.random.PCG64(np.random.SeedSequence(key)).random_raw(count)

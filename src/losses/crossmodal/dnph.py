"""DNpH: the information that the directions of the codes have about the classes, within and across modalities."""

from __future__ import annotations

from torch import Tensor

from .._pairs import unit_rows
from ._base import CROSSMODAL_LOSSES, JointLoss


@CROSSMODAL_LOSSES.register("DNpH")
class DNpH(JointLoss):
    r"""Similar codes should be as alike as can be, against a background of all pairs as little alike as can be, in and across modalities.

    .. math:: L = q(x, x) + q(y, y) + q(x, y), \quad
        q(a, b) = \operatorname{mean}_{ij} \bigl[ (s_{ij}\, g_{ij} - 1)^2 + m\, g_{ij}^2 \bigr], \quad
        g_{ij} = \frac{1 + \cos(a_i, b_j)}{2}, \quad m = \operatorname{mean}_{ij} s_{ij}

    Here x and y are the tanh of the outputs of the image and the text tower; pairs run over the batch, each item with itself included.
    q(x, x) is the QSMIH of one modality. There is no constant; published code takes sums in place of means.

    References:
        Deep Neighborhood-preserving Hashing with Quadratic Spherical Mutual Information for Cross-modal Retrieval (Qin, Huo, Huang, Dai,
        Zhang, Zhang; IEEE Transactions on Multimedia 2024).

    Args:
        **shared: see :class:`CrossModalLoss`.

    Raises:
        UsageError: if a value is unknown or impossible.

    Example:
        >>> import torch
        >>> loss = DNpH(bits=2, classes=2, train_size=2, similar_probability=0.5)
        >>> outputs, labels = torch.tensor([[1.0, 1.0], [-1.0, -1.0]]), torch.eye(2)
        >>> loss(outputs, outputs, labels, torch.arange(2)).item()  # three times the 3/4 of QSMIH
        2.25
    """

    graded = True

    def objective(self, image_codes: Tensor, text_codes: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the loss of codes (B, K) of both modalities, labels (B, C) and indices (B,)."""
        images, texts = unit_rows(image_codes)[0], unit_rows(text_codes)[0]
        similar = self.similar(labels, labels, images.dtype)
        share = similar.mean()

        def information(units: Tensor, others: Tensor) -> Tensor:
            likeness = (1 + units @ others.T) / 2
            return ((similar * likeness - 1).square() + share * likeness.square()).mean()

        return self.total(images=information(images, images), texts=information(texts, texts), across=information(images, texts))

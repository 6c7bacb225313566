"""A cross-modal loss of one's own; -loss FILE.py:Template trains with it, and a rule of -mode carries its error backwards."""

from typing import Any

from torch import Tensor
from torch.nn.functional import normalize

from biodeephashing.losses.crossmodal import JointLoss


class Template(JointLoss):
    r"""Items that share a class should have equal codes, others should be orthogonal, within each modality and across both.

    .. math:: L = q(x, x) + q(y, y) + a\, q(x, y), \quad q(u, v) = \operatorname{mean}_{ij} (\cos(u_i, v_j) - s_{ij})^2

    Here x and y are the tanh of the outputs of the image and the text tower, and s is 1 for items that share a class, else 0.
    A loss that derives from AlternatingLoss has phase(codes, labels, index, modality) in place of objective: towers learn in turn.

    Args:
        across: a, weight of pairs of an image and a text.
        **shared: bits, classes, train_size, similar_probability and multi_label of the run, which are attributes afterwards.
    """

    def __init__(self, *, across: float = 2.0, **shared: Any) -> None:  # -constants across=1
        super().__init__(**shared)
        self.across = across

    def objective(self, image_codes: Tensor, text_codes: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Return the loss of codes (B, K) of both modalities, labels (B, C) and indices (B,) of the items in the train fold."""
        present = labels.to(image_codes.dtype)
        similar = (present @ present.T > 0).to(image_codes.dtype)
        images, texts = normalize(image_codes), normalize(text_codes)

        def distance(one: Tensor, other: Tensor) -> Tensor:
            return (one @ other.T - similar).square().mean()

        # A scalar; each term has a curve of its name in TensorBoard and MLflow.
        return self.total(images=distance(images, images), texts=distance(texts, texts), across=self.across * distance(images, texts))

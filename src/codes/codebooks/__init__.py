"""Codebooks: a code for each class, learnt with the features, and images classified by the code they are nearest to."""

from ..signs import straight_through
from .decoding import (
    TIES,
    area_under_roc,
    class_code_predictions,
    exact_accuracy,
    nearest_class,
    nearest_distance,
    outside,
    softmax_score,
    top_k_accuracy,
)
from .facts import CodebookFacts, bit_groups, check_codebook, class_tree, codebook_facts
from .learning import codebook_loss, count_flips, draw_codebook, instance_loss

__all__ = [
    "TIES",
    "CodebookFacts",
    "area_under_roc",
    "bit_groups",
    "check_codebook",
    "class_code_predictions",
    "class_tree",
    "codebook_facts",
    "codebook_loss",
    "count_flips",
    "draw_codebook",
    "exact_accuracy",
    "instance_loss",
    "nearest_class",
    "nearest_distance",
    "outside",
    "softmax_score",
    "straight_through",
    "top_k_accuracy",
]

"""Learning rules: what a layer sends down in place of the transposed weights.

Example:
    >>> import torch
    >>> network = apply_rule(torch.nn.Linear(4, 2), "fa", seed=0)
    >>> "frsf" in RULES
    True
"""

from ._convert import apply_rule, load_rule_state, remove_rule, rule_state
from ._reach import check_reach
from ._report import Report, Row, describe
from ._rule import RULES, Rule
from .bp import Backpropagation
from .fa import FeedbackAlignment
from .frsf import FixedRandomSignFeedback
from .usf import UniformSignFeedback

__all__ = [
    "RULES",
    "Backpropagation",
    "FeedbackAlignment",
    "FixedRandomSignFeedback",
    "Report",
    "Row",
    "Rule",
    "UniformSignFeedback",
    "apply_rule",
    "check_reach",
    "describe",
    "load_rule_state",
    "remove_rule",
    "rule_state",
]

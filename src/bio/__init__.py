"""Learning rules: what a layer sends down in place of the transposed weights.

Example:
    >>> import torch
    >>> network = apply_rule(torch.nn.Linear(4, 2), "fa", seed=0)
    >>> "frsf" in RULES
    True
"""

from ._align import QUANTITIES, Alignment, exact_gradients, feedback_matrix, measure_alignment
from ._convert import apply_rule, ignore_in_ddp, remove_rule, rule_names
from ._follow import FeedbackUpdater, follow
from ._norms import NormConstraint
from ._reach import check_reach
from ._report import Report, Row, describe
from ._rule import RULES, BroadcastRule, LearningRule, Rule
from ._state import load_rule_state, plain_state_dict, rule_state
from ._target import give_target
from .bp import Backpropagation
from .brsf import BatchwiseRandomSignFeedback
from .dfa import DirectFeedbackAlignment
from .drtp import DirectRandomTargetProjection
from .fa import FeedbackAlignment
from .frsf import FixedRandomSignFeedback
from .kp import KolenPollack
from .usf import UniformSignFeedback
from .wm import WeightMirror

Follower = FeedbackUpdater  # the former name of the class

__all__ = [
    "QUANTITIES",
    "RULES",
    "Alignment",
    "Backpropagation",
    "BatchwiseRandomSignFeedback",
    "BroadcastRule",
    "DirectFeedbackAlignment",
    "DirectRandomTargetProjection",
    "FeedbackAlignment",
    "FeedbackUpdater",
    "FixedRandomSignFeedback",
    "Follower",
    "KolenPollack",
    "LearningRule",
    "NormConstraint",
    "Report",
    "Row",
    "Rule",
    "UniformSignFeedback",
    "WeightMirror",
    "apply_rule",
    "check_reach",
    "describe",
    "exact_gradients",
    "feedback_matrix",
    "follow",
    "give_target",
    "ignore_in_ddp",
    "load_rule_state",
    "measure_alignment",
    "plain_state_dict",
    "remove_rule",
    "rule_names",
    "rule_state",
]

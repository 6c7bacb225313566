"""Learning rules: what a layer sends down in place of the transposed weights.

Example:
    >>> import torch
    >>> network = apply_rule(torch.nn.Linear(4, 2), "fa", seed=0)
    >>> "frsf" in RULES
    True
"""

from ._align import QUANTITIES, Alignment, exact_gradients, feedback_matrix, measure_alignment
from ._convert import apply_rule, ignore_in_ddp, remove_rule, rule_names
from ._norms import NormConstraint
from ._reach import check_reach
from ._report import Report, Row, describe
from ._rule import RULES, BroadcastRule, LearningRule, Rule
from ._state import load_rule_state, plain_state_dict, rule_state
from ._target import give_target
from ._track import FeedbackUpdater, track_optimizer
from .bp import Backpropagation
from .brsf import BatchwiseRandomSignFeedback
from .dfa import DirectFeedbackAlignment
from .drtp import DirectRandomTargetProjection
from .fa import FeedbackAlignment
from .frsf import FixedRandomSignFeedback
from .kp import KolenPollack
from .usf import UniformSignFeedback
from .wm import WeightMirror

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
    "give_target",
    "ignore_in_ddp",
    "load_rule_state",
    "measure_alignment",
    "plain_state_dict",
    "remove_rule",
    "rule_names",
    "rule_state",
    "track_optimizer",
]

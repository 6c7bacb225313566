"""Methods: how a network, a rule and a loss are trained together. One folder each; ``runs/methods.py`` lists them."""

from ..runs import METHODS, check_method

__all__ = ["METHODS", "check_method"]

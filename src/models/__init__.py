"""Methods: how a network, a rule and a loss are trained together. One folder each."""

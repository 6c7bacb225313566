from .csq import target

NAME = "DPN"
CONSTANTS = {"probability": 0.8}
IMPOSSIBLE = [{"probability": 1.5}, {"probability": -0.1}]
STATE = ["targets.centres", "targets.ties"]
ROTATES = False
# The targets are (1,1), (1,1), (1,-1): 1 - f t is 0, 0; 0, 2; -1, 1
BY_HAND = ({}, 3 / 6)


def prepare_hand(loss):
    loss.targets.centres.copy_(loss.targets.centres.new_tensor([[1.0, 1.0], [1.0, -1.0]]))


def oracle(given, probability=0.5):
    total = 0.0
    for outputs, labels in zip(given.outputs, given.labels, strict=True):
        total += sum(max(0, 1 - f * t) for f, t in zip(outputs, target(given.loss, labels), strict=True)) / len(outputs)
    return total / len(given.outputs)

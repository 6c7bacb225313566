from . import bank_mean, dot, row_mean, sign, softplus, weight

NAME = "DSDH"
CONSTANTS = {"classification": 2.0, "ridge": 0.5, "rounds": 3, "balance": True}
IMPOSSIBLE = [{"classification": 0.0}, {"ridge": 0.0}, {"rounds": 0}, {"balance": 1}]
STATE = ["classifier", "memory.codes", "memory.written", "solved", "solved_codes"]
MEMORY = True
# pairs as in DPSH: 0.8214214; penalty: z3 has (2-1)^2 + (0-1)^2 = 2, mean 2/3, times 0.3
BY_HAND = ({}, 0.8214214 + 0.2)


def prepare(loss):
    loss.double()  # the bank too


def largest(rows, bits, classes):
    return 100 * max(rows, bits)  # of 100 training images


def oracle(given, classification=1.0, ridge=1.0, rounds=10, balance=False):
    def term(a, b, s):
        t = dot(a, b) / 2
        return weight(s, given.p, balance) * (softplus(t) - s * t)

    return bank_mean(given, term) + given.penalty * row_mean(given.codes, lambda row: sum((z - sign(z)) ** 2 for z in row))

from . import dot, pair_mean, row_mean, sign_distance, softplus, weight

NAME = "DPSH"
CONSTANTS = {"inner_product_scale": 1.0, "balance": True}
IMPOSSIBLE = [{"inner_product_scale": -1.0}, {"balance": 1}]
# t = product/2. softplus(-1) = 0.3132617 twice, softplus(-2) = 0.1269280, log 2 = 0.6931472 twice; softplus(1) = 1.3132617
# four times: sum 7.3927926, over 9 = 0.8214214; penalty: z3 has (2-1)^2 + (0-0)^2 = 1, mean 1/3, times 0.3
BY_HAND = ({}, 0.8214214 + 0.1)


def oracle(given, inner_product_scale=0.5, balance=False):
    def term(a, b, s):
        t = inner_product_scale * dot(a, b)
        return weight(s, given.p, balance) * (softplus(t) - s * t)

    return pair_mean(given.codes, given.labels, term) + given.penalty * row_mean(given.codes, sign_distance)

"""The continuation of HashNet."""

import torch
from loss_cases import batch, build


def test_hashnet_sharpens_on_schedule():
    loss = build("HashNet")
    seen = []
    for step in range(801):
        if step % 200 in (0, 199):
            seen.append((step, round(loss.beta(torch.float64).item() ** 2, 12)))
        loss.advance()
    assert seen == [(0, 1), (199, 1), (200, 2), (399, 2), (400, 3), (599, 3), (600, 4), (799, 4), (800, 5)]


def test_hashnet_relaxes_by_its_own_tanh_alone():
    loss = build("HashNet", period=1)
    for _ in range(8):
        loss.advance()
    outputs, _, _ = batch()
    torch.testing.assert_close(loss.relax(outputs), torch.tanh(3 * outputs), rtol=0, atol=0)  # sqrt(1 + 8) = 3


def test_hashnet_resumes_where_it_was():
    whole, first, second = (build("HashNet", period=3) for _ in range(3))
    betas = []
    for _ in range(20):
        betas.append(whole.beta().item())
        whole.advance()
    resumed = []
    for _ in range(7):
        resumed.append(first.beta().item())
        first.advance()
    second.load_state_dict(first.state_dict())
    assert second.steps.dtype == torch.int64
    for _ in range(13):
        resumed.append(second.beta().item())
        second.advance()
    assert resumed == betas

"""Two processes learn as one: the feedback is the same in both though nobody sends it around."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from biodeephashing.bio import (
    RULES,
    apply_rule,
    feedback_matrix,
    give_target,
    ignore_in_ddp,
    measure_alignment,
    rule_names,
    track_optimizer,
)

STEPS, BATCH, CLASSES = 3, 6, 4


def build(rule):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(27, 8), nn.Tanh(), nn.Linear(8, CLASSES))
    return apply_rule(network, rule, seed=5)


def batches():
    generator = torch.Generator().manual_seed(1)
    for _ in range(STEPS):
        classes = torch.randint(CLASSES, (BATCH,), generator=generator)
        yield torch.randn(BATCH, 1, 5, 5, generator=generator), torch.eye(CLASSES)[classes]


def spread(network):
    """Leave each process a part of every weight."""
    mesh = init_device_mesh("cpu", (2,))
    for part in (network[3], network):
        fully_shard(part, mesh=mesh)
    return network


def train(rule, rank=0, processes=1, wrap=lambda network: network):
    """A few steps on one process's share of every batch; returns what is left: weights, and B of every step."""
    network = build(rule)
    whole = wrap(network)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.3, momentum=0.9, weight_decay=0.01)
    track_optimizer(network, optimizer)
    feedback = []
    for images, targets in batches():
        images, targets = (part[rank::processes] for part in (images, targets))
        give_target(network, targets)
        loss = nn.functional.cross_entropy(whole(images), targets)
        optimizer.zero_grad()
        loss.backward()
        feedback.append([feedback_matrix(network, name).clone() for name in rule_names(network)])
        optimizer.step()
    feedback.append([feedback_matrix(network, name).clone() for name in rule_names(network)])
    weights = [getattr(p, "full_tensor", p.clone)().detach() for p in network.parameters()]
    return {"weights": weights, "feedback": feedback, "measured": [one.norm_ratio for one in measure_alignment(network)]}


class Around(nn.Module):
    """A network whose parts have been given a rule before they were put into it, with a buffer that is sent around."""

    def __init__(self):
        super().__init__()
        self.inside = build("fa")
        self.register_buffer("statistics", torch.zeros(2))

    def forward(self, x):
        return self.inside(x) + self.statistics.sum()


def what_is_sent_around(rank):
    """Let the processes' buffers differ, and tell which of them are still different after a step."""
    network = Around()
    ignore_in_ddp(network)
    whole = DistributedDataParallel(network)
    network.statistics.fill_(rank)
    network.inside[3].weight_feedback.fill_(rank)
    for images, _ in batches():
        whole(images).sum().backward()
    return {"statistics": network.statistics.clone(), "feedback": network.inside[3].weight_feedback.clone()}


def process(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    results = {rule: train(rule, rank, 2, DistributedDataParallel) for rule in sorted(RULES)} | {"buffers": what_is_sent_around(rank)}
    results["spread"] = {rule: train(rule, rank, 2, spread) for rule in sorted(RULES)}
    torch.save(results, folder / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    if not dist.is_available() or not dist.is_gloo_available():
        pytest.skip("PyTorch was built without gloo")
    folder = tmp_path_factory.mktemp("processes")
    torch.multiprocessing.spawn(process, (folder,), nprocs=2)
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


def same(found, wanted):
    return all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_two_processes_have_the_same_feedback_and_weights_in_every_step(rule, processes):
    one, two = (results[rule] for results in processes)
    assert same(one["weights"], two["weights"])
    for a, b in zip(one["feedback"], two["feedback"], strict=True):
        assert same(a, b)
    sizes = [[matrix.abs() for matrix in step] for step in one["feedback"][:2]]  # signs follow the weights by more rules
    assert same(*sizes) == (rule not in ("bp", "brsf", "kp", "wm"))


def test_two_processes_learn_as_one_with_all_of_the_batch(rule, processes):
    alone = train(rule)
    for found in (processes[0][rule], processes[0]["spread"][rule], processes[1]["spread"][rule]):
        torch.testing.assert_close(found, alone, rtol=1e-4, atol=1e-6, equal_nan=True)
    untrained = list(build(rule).parameters())
    assert all((after - before).norm() > 1e-3 for after, before in zip(alone["weights"], untrained, strict=True))


def test_feedback_is_not_sent_from_process_to_process(processes):
    for rank, results in enumerate(processes):
        assert (results["buffers"]["feedback"] == rank).all()
        assert (results["buffers"]["statistics"] == 0).all()  # an ordinary buffer is the first process's in both

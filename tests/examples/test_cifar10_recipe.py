"""The recipe of classifying CIFAR-10 is the published one: rates, schedule, networks, how the epoch is chosen."""

import re
from pathlib import Path

import pytest
import torch
import yaml
from cifar10_training import build
from classify_cifar10 import NETWORKS, PUBLISHED, Recipe, _parser, chosen, read_recipe

from biodeephashing.backbones import build_network
from biodeephashing.bio import RULES, feedback_matrix, rule_state

ROOT = Path(__file__).parents[2]


class TestRecipe:
    def test_learning_rates(self):
        rates = {(network, mode): Recipe(network, mode).lr for network in NETWORKS for mode in RULES}
        assert rates["lenet3", "fa"] == rates["lenet", "fa"] == 1e-3
        assert rates["lenet3", "dfa"] == 1e-4
        assert rates["resnet20", "fa"] == rates["resnet56", "usf"] == rates["lenet3", "bp"] == 0.1
        assert Recipe("lenet3", "fa", lr=0.5).lr == 0.5

    @pytest.mark.parametrize(("epochs", "milestones"), [(250, (100, 150, 200)), (10, (4, 6, 8)), (1, ())])
    def test_schedule_is_the_published_one_scaled(self, epochs, milestones):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
        schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones, gamma=0.1)
        for epoch in range(epochs):
            assert Recipe("lenet", "bp", epochs=epochs).rate(epoch) == pytest.approx(schedule.get_last_lr()[0], rel=1e-12)
            optimizer.step()
            schedule.step()

    def test_published_numbers_are_those_of_the_files(self):
        for path in sorted((ROOT / "configs" / "classification").glob("*.yaml")):
            text = path.read_text("utf-8")
            network = yaml.safe_load(text)["network"]
            [line] = [line for line in text.splitlines() if line.startswith("# Expected:")]
            assert {rule: float(value) for rule, value in re.findall(r"(\w+) ([\d.]+) %", line)} == PUBLISHED[network]

    @pytest.mark.parametrize("path", sorted((ROOT / "configs" / "classification").glob("*.yaml")), ids=lambda path: path.name)
    def test_settings_files(self, path):
        text = path.read_text("utf-8")
        header = {line[2:].partition(":")[0] for line in text.splitlines() if re.match(r"# \w+:", line)}
        assert {"Paper", "Data", "Command", "Expected", "Time"} <= header
        [command] = re.findall(r"^# Command: +python examples/classify_cifar10\.py (.*)$", text, re.MULTILINE)
        assert command.split()[:2] == ["-config", str(path.relative_to(ROOT))]
        arguments = [str(path) if argument.endswith(".yaml") else argument for argument in command.split()]
        read = read_recipe(_parser().parse_args(arguments))
        assert read == Recipe(read.network, "usf", epochs=250, lr=0.1, batch=128, seed=0)
        over = read_recipe(_parser().parse_args(["-config", str(path), "-mode", "dfa", "-epochs", "3"]))
        assert (over.network, over.epochs, over.mode) == (read.network, 3, "dfa")

    @pytest.mark.parametrize("network", ["lenet", "lenet3", "resnet20", "resnet56"])
    def test_weights_start_as_large_as_the_feedback(self, network):
        model = build(Recipe(network, "usf"))
        for name, entry in rule_state(model).items():
            layer = model.get_submodule(name)
            if layer.weight.numel() > 2000:  # standard error of the deviation below 1.6 %
                assert layer.weight.std().item() == pytest.approx(entry["scale"], rel=0.08)
            assert feedback_matrix(model, name).abs().max().item() == pytest.approx(entry["scale"])
            assert layer.bias is None or layer.bias.abs().max() == 0

    def test_the_last_layer_is_not_drawn_as_a_hash_layer(self):
        plain, ours = build_network("lenet", bits=10), build(Recipe("lenet", "bp"))
        assert plain.state_dict().keys() == ours.state_dict().keys()
        assert ours.hash_layer.weight.std() > 5 * plain.hash_layer.weight.std()

    def test_seeds_draw_other_weights(self):
        one, same, other = (build(Recipe("lenet3", "fa", seed=seed)).hash_layer.weight for seed in (0, 0, 1))
        assert torch.equal(one, same)
        assert not torch.equal(one, other)

    def test_lenet3_has_the_parameters_of_the_benchmark(self):
        counts = [3 * 32 * 9 + 32, 32 * 64 * 9 + 64, 64 * 128 * 9 + 128, 128 * 256 + 256, 256 * 10 + 10]
        assert sum(weight.numel() for weight in build(Recipe("lenet3", "bp")).parameters()) == sum(counts)


def test_the_epoch_is_chosen_without_looking_at_the_test_error():
    history = [{"val_error": error, "test_error": test} for error, test in ((30.0, 9.0), (20.0, 29.0), (20.0, 1.0), (25.0, 0.0))]
    assert chosen(history) == 1

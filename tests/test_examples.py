"""The examples run to their end, and what they print is true."""

import hashlib
import importlib.util
import json
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch.nn import functional

from biodeephashing.backbones import build_network
from biodeephashing.bio import RULES, feedback_matrix, rule_state
from biodeephashing.data._cifar import Official
from biodeephashing.errors import DataError, RuleError, RunError, UsageError, guard

ROOT = Path(__file__).parents[1]
PER_BATCH = 40


def load(name):
    """Import an example; it lies in no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def recipe():
    return load("classify_cifar10")


def test_every_example_guards_its_main_and_is_run_here():
    examples = {path.stem for path in (ROOT / "examples").glob("*.py")}
    assert examples == {"new_rule", "any_network", "classify_cifar10", "own_images"}
    for name in examples:
        assert '\nif __name__ == "__main__":\n' in (ROOT / "examples" / f"{name}.py").read_text("utf-8")


class TestNewRule:
    def test_what_is_learned_and_measured(self, capsys):
        module = load("new_rule")
        outcomes = module.main()
        out = capsys.readouterr().out
        assert list(outcomes) == ["bp", "strong", "fa"]
        assert outcomes["bp"].accuracy > 0.95
        assert outcomes["bp"].accuracy > outcomes["fa"].accuracy > 0.5
        assert outcomes["strong"].accuracy > 0.9
        assert all(layer.update_angle < 0.01 for layer in outcomes["bp"].layers)
        assert all(0 < layer.weight_angle < 60 for layer in outcomes["strong"].layers)
        assert all(outcome.layers[-1].update_angle < 0.01 for outcome in outcomes.values())
        for name, outcome in outcomes.items():
            assert re.search(rf"^{name} +{100 * outcome.accuracy:.1f} %  ", out, re.MULTILINE)

    def test_feedback_by_hand(self):
        rule = load("new_rule").StrongSynapses(threshold=0.5)
        weight = torch.tensor([[0.3, -0.3, 0.19], [-0.21, 0.0, -9.0]])
        expected = torch.tensor([[0.4, -0.4, 0.0], [-0.4, 0.0, -0.4]])  # s = 0.4: strong is what exceeds 0.2
        assert torch.equal(rule.feedback(weight, None, 0.4), expected)

    def test_it_does_not_stay_registered(self):
        load("new_rule")
        assert "strong" not in RULES


class TestAnyNetwork:
    def test_the_walk(self, capsys):
        outcome = load("any_network").main()
        out = capsys.readouterr().out
        rules = {f"{row.name}.{row.parameter}": row.rule for row in outcome.report.converted}
        assert rules.pop("conv_proj.weight") == "bp"
        assert rules.pop("heads.head.weight") == "kp"
        attention = {name: rule for name, rule in rules.items() if ".self_attention." in name}
        assert set(attention.values()) == {"frsf"}
        assert len(attention) == 4
        assert {rule for name, rule in rules.items() if name not in attention} == {"fa"}
        assert outcome.losses[-1] < outcome.losses[0]
        assert outcome.resumed == outcome.losses[len(outcome.losses) // 2 :]
        assert outcome.difference < 1e-5
        assert str(outcome.report) in out


def write_batch(folder, name, seed, *, classes=10):
    """Write a batch as the official ones are: images of a class share a colour, so there is something to learn."""
    numbers = np.random.default_rng(seed)
    labels = [int(label) for label in numbers.permutation(np.arange(PER_BATCH) % classes)]
    colours = np.random.default_rng(0).integers(40, 216, size=(10, 3, 1))
    noise = numbers.integers(-30, 31, size=(PER_BATCH, 3, 1024))
    data = (colours[labels] + noise).astype(np.uint8).reshape(PER_BATCH, 3072)
    names = [f"{name}_{row:03d}.png".encode() for row in range(PER_BATCH)]
    (folder / name).write_bytes(pickle.dumps({b"data": data, b"labels": labels, b"filenames": names}))


@pytest.fixture
def batches(tmp_path):
    """A folder of two training batches and a test batch, and what their publisher says about them."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for seed, name in enumerate(("data_batch_1", "data_batch_2", "test_batch")):
        write_batch(folder, name, seed)
    sums = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}
    return folder, Official(batches=sums, per_batch=PER_BATCH)


@pytest.fixture
def classify(recipe, batches, tmp_path):
    """Run the command line on the small batches, on a CPU."""
    folder, official = batches

    def run(*arguments, out="out"):
        given = ["-data", str(folder), "-device", "cpu", "-out", str(tmp_path / out), "-batch", "16", *arguments]
        recipe.main(given, official=official)

    return run


def results(tmp_path, out="out"):
    [folder] = (tmp_path / out).iterdir()
    return json.loads((folder / "result.json").read_text("utf-8"))


class TestClassifying:
    def test_one_epoch(self, classify, tmp_path, capsys):
        classify("-network", "lenet3", "-mode", "usf", "-epochs", "1")
        out = capsys.readouterr().out
        assert "72 images to train, 8 held out, 40 to test, on cpu" in out
        assert "PARTIAL" not in out
        result = results(tmp_path)
        [epoch] = result["history"]
        assert epoch["lr"] == 0.1
        assert epoch["val_error"] in [12.5 * wrong for wrong in range(9)]
        assert f"epoch 1/1  lr 0.1  loss {epoch['loss']:.4f}  held-out error {epoch['val_error']:.2f} %" in out
        *_, heading, row, source = out.splitlines()
        assert re.split(r"  +", heading)[-1] == "published, %"
        assert re.split(r"  +", row) == [
            "lenet3",
            "usf",
            "1",
            "0.1",
            "0",
            *[f"{epoch['test_error']:.2f}", "1"],
            f"{epoch['test_error']:.2f}",
            "16.22",
        ]
        assert "arXiv:2108.13446" in source

    def test_something_is_learned(self, classify, tmp_path):
        classify("-network", "lenet3", "-mode", "bp", "-epochs", "12", "-lr", "0.02")
        assert results(tmp_path)["history"][-1]["test_error"] < 50  # by chance 90

    @pytest.mark.parametrize("rule", RULES)
    def test_every_rule_trains_and_goes_on_exactly(self, classify, rule, tmp_path, recipe, monkeypatch, capsys):
        command = ("-network", "lenet3", "-mode", rule, "-epochs", "3", "-lr", "0.01")
        classify(*command)
        original, done = recipe.Training.epoch, []

        def interrupted(self):
            if done:
                raise KeyboardInterrupt
            done.append(original(self))

        monkeypatch.setattr(recipe.Training, "epoch", interrupted)
        assert guard(lambda: classify(*command, out="again")) == 130
        monkeypatch.setattr(recipe.Training, "epoch", original)
        capsys.readouterr()
        classify(*command, out="again")
        assert "going on after epoch 1 of 3" in capsys.readouterr().out
        assert results(tmp_path, "again")["history"] == results(tmp_path)["history"]
        [one], [other] = ((tmp_path / out).iterdir() for out in ("out", "again"))
        states = [torch.load(folder / "last.ckpt", weights_only=True)["network"] for folder in (one, other)]
        assert states[0].keys() == states[1].keys()
        assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])

    def test_a_finished_run_says_so_and_is_left_alone(self, classify, tmp_path, capsys):
        command = ("-network", "lenet3", "-mode", "frsf", "-epochs", "1")
        classify(*command)
        first = capsys.readouterr().out.splitlines()
        [folder] = (tmp_path / "out").iterdir()
        written = (folder / "last.ckpt").stat().st_mtime_ns
        classify(*command)
        again = capsys.readouterr().out.splitlines()
        assert again[1].startswith("already finished (")
        assert again[2:] == first[2:]
        assert (folder / "last.ckpt").stat().st_mtime_ns == written

    def test_interrupted_while_writing_keeps_the_last_whole_checkpoint(self, classify, tmp_path, monkeypatch, recipe):
        command = ("-network", "lenet3", "-mode", "bp", "-epochs", "2", "-lr", "0.01")
        save, count = torch.save, []

        def breaks(content, path):
            count.append(path)
            if len(count) == 2:
                Path(path).write_bytes(b"half")
                raise KeyboardInterrupt
            save(content, path)

        monkeypatch.setattr(torch, "save", breaks)
        assert guard(lambda: classify(*command)) == 130
        [folder] = (tmp_path / "out").iterdir()
        assert [path.name for path in folder.iterdir()] == ["last.ckpt"]
        assert len(torch.load(folder / "last.ckpt", weights_only=True)["history"]) == 1

    def test_a_damaged_checkpoint_is_named(self, classify, tmp_path):
        command = ("-network", "lenet3", "-mode", "bp", "-epochs", "1")
        classify(*command)
        [folder] = (tmp_path / "out").iterdir()
        (folder / "last.ckpt").write_bytes(b"nonsense")
        with pytest.raises(RunError, match=r"last\.ckpt is damaged .*delete it"):
            classify(*command)

    def test_missing_batches_are_named_and_a_part_is_called_one(self, classify, batches, tmp_path, capsys):
        folder, _ = batches
        (folder / "data_batch_2").unlink()
        command = ("-network", "lenet3", "-mode", "bp", "-epochs", "1")
        with pytest.raises(DataError, match=r"lacks data_batch_2: .*-allow_partial"):
            classify(*command)
        assert not (tmp_path / "out").exists()
        classify(*command, "-allow_partial")
        out = capsys.readouterr().out
        assert out.count("PARTIAL: without data_batch_2; not comparable") == 2
        assert results(tmp_path)["missing"] == ["data_batch_2"]
        assert next((tmp_path / "out").iterdir()).name.endswith("-without=2")
        (folder / "test_batch").unlink()
        with pytest.raises(DataError, match=r"lacks data_batch_2, test_batch"):
            classify(*command, "-allow_partial")

    def test_a_damaged_batch_is_refused(self, classify, batches):
        with (batches[0] / "data_batch_1").open("ab") as file:
            file.write(b"x")
        with pytest.raises(DataError, match="data_batch_1 is damaged"):
            classify("-network", "lenet3", "-mode", "bp")

    def test_divergence_is_said(self, classify):
        with pytest.raises(RunError, match=r"training diverged in epoch 1: .* lower -lr than 1e\+10"):
            classify("-network", "lenet3", "-mode", "bp", "-epochs", "1", "-lr", "1e10")

    @pytest.mark.parametrize(
        ("arguments", "error", "words"),
        [
            ((), UsageError, "give -network"),
            (("-network", "lenet"), UsageError, "give -mode"),
            (("-network", "resnet21", "-mode", "bp"), UsageError, "did you mean 'resnet20'"),
            (("-network", "lenet", "-mode", "frfs"), UsageError, "did you mean 'frsf'"),
            (("-network", "lenet", "-mode", "featrues.*=fa,*=bp"), RuleError, "matches no layer"),
            (("-network", "lenet", "-mode", "bp", "-lr", "0"), UsageError, "positive"),
            (("-network", "lenet", "-mode", "bp", "-lr", "nan"), UsageError, "positive"),
            (("-network", "lenet", "-mode", "bp", "-epochs", "0"), UsageError, "at least 1"),
            (("-network", "lenet", "-mode", "bp", "-epochs", "two"), UsageError, "invalid int"),
            (("-netwrok", "lenet"), UsageError, "did you mean -network"),
        ],
    )
    def test_what_cannot_be_used_is_said(self, classify, arguments, error, words, tmp_path):
        with pytest.raises(error, match=words):
            classify(*arguments)
        assert not (tmp_path / "out").exists()

    @pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a CUDA device")
    def test_a_device_that_is_not_there(self, recipe):
        with pytest.raises(UsageError, match="no CUDA device"):
            recipe.main(["-network", "lenet3", "-mode", "bp", "-device", "cuda"])

    @pytest.mark.parametrize(
        ("content", "words"),
        [("netwrok: lenet", "did you mean 'network'"), ("epochs: two", "'two' is not a number"), ("- 1", "mapping"), ("a: [", "not YAML")],
    )
    def test_settings_files_that_cannot_be_used(self, classify, tmp_path, content, words):
        (tmp_path / "bad.yaml").write_text(content)
        with pytest.raises(UsageError, match=words):
            classify("-config", str(tmp_path / "bad.yaml"))

    def test_no_settings_file(self, classify, tmp_path):
        with pytest.raises(UsageError, match="cannot read -config"):
            classify("-config", str(tmp_path / "none.yaml"))

    def test_as_a_command(self, tmp_path):
        command = [
            sys.executable,
            str(ROOT / "examples" / "classify_cifar10.py"),
            "-network",
            "lenet",
            "-mode",
            "fa",
            "-data",
            str(tmp_path),
        ]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 1
        assert done.stderr.startswith(f"error: {tmp_path} lacks data_batch_1, ")
        assert "Traceback" not in done.stderr


class TestRecipe:
    def test_learning_rates(self, recipe):
        rates = {(network, mode): recipe.Recipe(network, mode).lr for network in recipe.NETWORKS for mode in RULES}
        assert rates["lenet3", "fa"] == rates["lenet", "fa"] == 1e-3
        assert rates["lenet3", "dfa"] == 1e-4
        assert rates["resnet20", "fa"] == rates["resnet56", "usf"] == rates["lenet3", "bp"] == 0.1
        assert recipe.Recipe("lenet3", "fa", lr=0.5).lr == 0.5

    @pytest.mark.parametrize(("epochs", "milestones"), [(250, (100, 150, 200)), (10, (4, 6, 8)), (1, ())])
    def test_schedule_is_the_published_one_scaled(self, recipe, epochs, milestones):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
        schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones, gamma=0.1)
        for epoch in range(epochs):
            assert recipe.Recipe("lenet", "bp", epochs=epochs).rate(epoch) == pytest.approx(schedule.get_last_lr()[0], rel=1e-12)
            optimizer.step()
            schedule.step()

    def test_published_numbers_are_those_of_the_files(self, recipe):
        for path in sorted((ROOT / "configs" / "classification").glob("*.yaml")):
            text = path.read_text("utf-8")
            network = yaml.safe_load(text)["network"]
            [line] = [line for line in text.splitlines() if line.startswith("# Expected:")]
            assert {rule: float(value) for rule, value in re.findall(r"(\w+) ([\d.]+) %", line)} == recipe.PUBLISHED[network]

    @pytest.mark.parametrize("path", sorted((ROOT / "configs" / "classification").glob("*.yaml")), ids=lambda path: path.name)
    def test_settings_files(self, recipe, path):
        text = path.read_text("utf-8")
        header = {line[2:].partition(":")[0] for line in text.splitlines() if re.match(r"# \w+:", line)}
        assert {"Paper", "Data", "Command", "Expected", "Time"} <= header
        [command] = re.findall(r"^# Command: +python examples/classify_cifar10\.py (.*)$", text, re.MULTILINE)
        assert command.split()[:2] == ["-config", str(path.relative_to(ROOT))]
        arguments = [str(path) if argument.endswith(".yaml") else argument for argument in command.split()]
        read = recipe.read_recipe(recipe._parser().parse_args(arguments))
        assert read == recipe.Recipe(read.network, "usf", epochs=250, lr=0.1, batch=128, seed=0)
        over = recipe.read_recipe(recipe._parser().parse_args(["-config", str(path), "-mode", "dfa", "-epochs", "3"]))
        assert (over.network, over.epochs, over.mode) == (read.network, 3, "dfa")

    @pytest.mark.parametrize("network", ["lenet", "lenet3", "resnet20", "resnet56"])
    def test_weights_start_as_large_as_the_feedback(self, recipe, network):
        model = recipe.build(recipe.Recipe(network, "usf"))
        for name, entry in rule_state(model).items():
            layer = model.get_submodule(name)
            if layer.weight.numel() > 2000:  # standard error of the deviation below 1.6 %
                assert layer.weight.std().item() == pytest.approx(entry["scale"], rel=0.08)
            assert feedback_matrix(model, name).abs().max().item() == pytest.approx(entry["scale"])
            assert layer.bias is None or layer.bias.abs().max() == 0

    def test_the_last_layer_is_not_drawn_as_a_hash_layer(self, recipe):
        plain, ours = build_network("lenet", bits=10), recipe.build(recipe.Recipe("lenet", "bp"))
        assert plain.state_dict().keys() == ours.state_dict().keys()
        assert ours.hash_layer.weight.std() > 5 * plain.hash_layer.weight.std()

    def test_seeds_draw_other_weights(self, recipe):
        one, same, other = (recipe.build(recipe.Recipe("lenet3", "fa", seed=seed)).hash_layer.weight for seed in (0, 0, 1))
        assert torch.equal(one, same)
        assert not torch.equal(one, other)

    def test_lenet3_has_the_parameters_of_the_benchmark(self, recipe):
        counts = [3 * 32 * 9 + 32, 32 * 64 * 9 + 64, 64 * 128 * 9 + 128, 128 * 256 + 256, 256 * 10 + 10]
        assert sum(weight.numel() for weight in recipe.build(recipe.Recipe("lenet3", "bp")).parameters()) == sum(counts)


def shifted_by_hand(image, top, left, mirrored):
    """One image, pixel by pixel."""
    expected = torch.zeros_like(image)
    for row in range(32):
        for column in range(32):
            source_row, source_column = row + top - 4, (31 - column if mirrored else column) + left - 4
            if 0 <= source_row < 32 and 0 <= source_column < 32:
                expected[:, row, column] = image[:, source_row, source_column]
    return expected


class TestImages:
    def test_shifts_and_mirrorings_pixel_by_pixel(self, recipe):
        pixels = torch.randint(1, 256, (5, 3, 32, 32), dtype=torch.uint8)
        cases = [(4, 4, False), (4, 4, True), (0, 8, False), (8, 0, True), (3, 6, True)]
        tops, lefts, mirrored = (torch.tensor(values) for values in zip(*cases, strict=True))
        found = recipe.shift_and_mirror(pixels, tops, lefts, mirrored)
        assert found.shape == pixels.shape
        assert found.is_contiguous(memory_format=torch.channels_last)
        for image, result, case in zip(pixels, found, cases, strict=True):
            assert torch.equal(result, shifted_by_hand(image, *case))
        assert torch.equal(found[0], pixels[0])
        assert torch.equal(found[1], pixels[1].flip(-1))

    def test_normalised_by_hand(self, recipe):
        pixels = torch.tensor([0, 255, 51], dtype=torch.uint8).view(1, 3, 1, 1)
        expected = torch.tensor([(0 - 0.4914) / 0.2470, (1 - 0.4822) / 0.2435, (0.2 - 0.4465) / 0.2616])
        assert torch.allclose(recipe.normalise(pixels).flatten(), expected)

    def test_every_image_once_and_none_in_two_folds(self, recipe, batches):
        folder, official = batches
        folds = recipe.read_folds(folder.parent, torch.device("cpu"), allow_partial=False, official=official)
        raw = [pickle.loads((folder / name).read_bytes()) for name in ("data_batch_1", "data_batch_2")]
        expected = {bytes(row): label for content in raw for row, label in zip(content[b"data"], content[b"labels"], strict=True)}
        both = [*zip(folds.train.pixels, folds.train.classes, strict=True), *zip(folds.val.pixels, folds.val.classes, strict=True)]
        assert {image.numpy().tobytes(): int(label) for image, label in both} == expected
        assert (len(folds.train), len(folds.val), len(folds.test)) == (72, 8, 40)

    def test_draws_depend_on_seed_and_epoch_alone(self, recipe, batches):
        folder, official = batches
        folds = recipe.read_folds(folder, torch.device("cpu"), allow_partial=False, official=official)
        draws = [
            recipe.Training(recipe.Recipe("lenet3", "bp", seed=seed), folds)._draws(epoch)
            for seed, epoch in ((0, 0), (0, 0), (0, 1), (1, 0))
        ]
        assert all(torch.equal(a, b) for a, b in zip(draws[0], draws[1], strict=True))
        for other in draws[2:]:
            assert not any(torch.equal(a, b) for a, b in zip(draws[0], other, strict=True))
        order, tops, lefts, mirrored = draws[0]
        assert torch.equal(order.sort().values, torch.arange(72))
        assert {int(value) for value in torch.cat([tops, lefts])} == set(range(9))
        assert 0 < mirrored.sum() < 72

    def test_error_by_hand(self, recipe, batches):
        folder, official = batches
        folds = recipe.read_folds(folder, torch.device("cpu"), allow_partial=False, official=official)
        training = recipe.Training(recipe.Recipe("resnet20", "bp"), folds)
        training.network.eval()
        with torch.no_grad():
            wrong = sum(
                int(training.network(recipe.normalise(image[None])).argmax()) != int(label)
                for image, label in zip(folds.test.pixels, folds.test.classes, strict=True)
            )
        assert training.error(folds.test) == 100 * wrong / 40

    @pytest.mark.gpu
    def test_shifts_on_a_gpu_are_those_of_a_cpu(self, recipe):
        pixels = torch.randint(256, (64, 3, 32, 32), dtype=torch.uint8)
        tops, lefts, mirrored = torch.randint(9, (64,)), torch.randint(9, (64,)), torch.rand(64) < 0.5
        given = (pixels, tops, lefts, mirrored)
        assert torch.equal(recipe.shift_and_mirror(*(one.cuda() for one in given)).cpu(), recipe.shift_and_mirror(*given))

    @pytest.mark.gpu
    @pytest.mark.parametrize("rule", RULES)
    def test_every_rule_trains_on_a_gpu(self, recipe, batches, rule, tmp_path):
        folder, official = batches
        command = ["-data", str(folder), "-device", "cuda", "-out", str(tmp_path / "out"), "-network", "resnet20", "-mode", rule]
        recipe.main([*command, "-epochs", "2", "-lr", "0.01", "-batch", "16"], official=official)
        assert len(results(tmp_path)["history"]) == 2


def test_the_epoch_is_chosen_without_looking_at_the_test_error(recipe):
    history = [{"val_error": error, "test_error": test} for error, test in ((30.0, 9.0), (20.0, 29.0), (20.0, 1.0), (25.0, 0.0))]
    assert recipe.chosen(history) == 1


def test_a_step_is_that_of_the_recipe(recipe, batches):
    """One batch of the whole training set: gradient, weight decay and momentum by hand."""
    folder, official = batches
    folds = recipe.read_folds(folder, torch.device("cpu"), allow_partial=False, official=official)
    training = recipe.Training(recipe.Recipe("lenet3", "bp", batch=72, lr=0.01), folds)
    twin = recipe.build(recipe.Recipe("lenet3", "bp"))
    buffers = [torch.zeros_like(weight) for weight in twin.parameters()]
    for epoch in range(2):
        training.epoch()
        order, tops, lefts, mirrored = training._draws(epoch)
        images = torch.stack(
            [
                shifted_by_hand(folds.train.pixels[r], int(t), int(x), bool(m))
                for r, t, x, m in zip(order, tops, lefts, mirrored, strict=True)
            ]
        )
        loss = functional.cross_entropy(twin(recipe.normalise(images)), folds.train.classes[order])
        gradients = torch.autograd.grad(loss, list(twin.parameters()))
        with torch.no_grad():
            for weight, buffer, gradient in zip(twin.parameters(), buffers, gradients, strict=True):
                buffer.mul_(0.9).add_(gradient + 1e-4 * weight)
                weight.sub_(0.01 * buffer)
    for ours, theirs in zip(training.network.parameters(), twin.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)

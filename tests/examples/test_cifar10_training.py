"""What trains a classifier of CIFAR-10: images, draws, errors and steps, each by hand."""

import pickle

import pytest
import torch
from cifar10_cases import results, shifted_by_hand
from cifar10_training import Training, build, normalise, read_folds, shift_and_mirror
from classify_cifar10 import Recipe, main
from torch.nn import functional

from biodeephashing.bio import RULES


class TestImages:
    def test_shifts_and_mirrorings_pixel_by_pixel(self):
        pixels = torch.randint(1, 256, (5, 3, 32, 32), dtype=torch.uint8)
        cases = [(4, 4, False), (4, 4, True), (0, 8, False), (8, 0, True), (3, 6, True)]
        tops, lefts, mirrored = (torch.tensor(values) for values in zip(*cases, strict=True))
        found = shift_and_mirror(pixels, tops, lefts, mirrored)
        assert found.shape == pixels.shape
        assert found.is_contiguous(memory_format=torch.channels_last)
        for image, result, case in zip(pixels, found, cases, strict=True):
            assert torch.equal(result, shifted_by_hand(image, *case))
        assert torch.equal(found[0], pixels[0])
        assert torch.equal(found[1], pixels[1].flip(-1))

    def test_normalised_by_hand(self):
        pixels = torch.tensor([0, 255, 51], dtype=torch.uint8).view(1, 3, 1, 1)
        expected = torch.tensor([(0 - 0.4914) / 0.2470, (1 - 0.4822) / 0.2435, (0.2 - 0.4465) / 0.2616])
        assert torch.allclose(normalise(pixels).flatten(), expected)

    def test_what_normalises_is_brought_to_a_device_once(self, monkeypatch):
        pixels = torch.zeros(2, 3, 32, 32, dtype=torch.uint8, device="meta")
        assert normalise(pixels).shape == pixels.shape
        monkeypatch.delattr(torch, "tensor")
        assert normalise(pixels).is_meta

    def test_every_image_once_and_none_in_two_folds(self, batches):
        folder, official = batches
        folds = read_folds(folder.parent, torch.device("cpu"), allow_partial=False, official=official)
        raw = [pickle.loads((folder / name).read_bytes()) for name in ("data_batch_1", "data_batch_2")]
        expected = {bytes(row): label for content in raw for row, label in zip(content[b"data"], content[b"labels"], strict=True)}
        both = [*zip(folds.train.pixels, folds.train.classes, strict=True), *zip(folds.val.pixels, folds.val.classes, strict=True)]
        assert {image.numpy().tobytes(): int(label) for image, label in both} == expected
        assert (len(folds.train), len(folds.val), len(folds.test)) == (72, 8, 40)

    def test_draws_depend_on_seed_and_epoch_alone(self, batches):
        folder, official = batches
        folds = read_folds(folder, torch.device("cpu"), allow_partial=False, official=official)
        draws = [Training(Recipe("lenet3", "bp", seed=seed), folds)._draws(epoch) for seed, epoch in ((0, 0), (0, 0), (0, 1), (1, 0))]
        assert all(torch.equal(a, b) for a, b in zip(draws[0], draws[1], strict=True))
        for other in draws[2:]:
            assert not any(torch.equal(a, b) for a, b in zip(draws[0], other, strict=True))
        order, tops, lefts, mirrored = draws[0]
        assert torch.equal(order.sort().values, torch.arange(72))
        assert {int(value) for value in torch.cat([tops, lefts])} == set(range(9))
        assert 0 < mirrored.sum() < 72

    def test_error_by_hand(self, batches):
        folder, official = batches
        folds = read_folds(folder, torch.device("cpu"), allow_partial=False, official=official)
        training = Training(Recipe("resnet20", "bp"), folds)
        training.network.eval()
        with torch.no_grad():
            wrong = sum(
                int(training.network(normalise(image[None])).argmax()) != int(label)
                for image, label in zip(folds.test.pixels, folds.test.classes, strict=True)
            )
        assert training.error(folds.test) == 100 * wrong / 40

    @pytest.mark.gpu
    def test_shifts_on_a_gpu_are_those_of_a_cpu(self):
        pixels = torch.randint(256, (64, 3, 32, 32), dtype=torch.uint8)
        tops, lefts, mirrored = torch.randint(9, (64,)), torch.randint(9, (64,)), torch.rand(64) < 0.5
        given = (pixels, tops, lefts, mirrored)
        assert torch.equal(shift_and_mirror(*(one.cuda() for one in given)).cpu(), shift_and_mirror(*given))

    @pytest.mark.gpu
    @pytest.mark.parametrize("rule", RULES)
    def test_every_rule_trains_on_a_gpu(self, batches, rule, tmp_path):
        folder, official = batches
        command = ["-data", str(folder), "-device", "cuda", "-out", str(tmp_path / "out"), "-network", "resnet20", "-mode", rule]
        main([*command, "-epochs", "2", "-lr", "0.01", "-batch", "16"], official=official)
        assert len(results(tmp_path)["history"]) == 2


def test_a_step_is_that_of_the_recipe(batches):
    """One batch of the whole training set: gradient, weight decay and momentum by hand."""
    folder, official = batches
    folds = read_folds(folder, torch.device("cpu"), allow_partial=False, official=official)
    training = Training(Recipe("lenet3", "bp", batch=72, lr=0.01), folds)
    twin = build(Recipe("lenet3", "bp"))
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
        loss = functional.cross_entropy(twin(normalise(images)), folds.train.classes[order])
        gradients = torch.autograd.grad(loss, list(twin.parameters()))
        with torch.no_grad():
            for weight, buffer, gradient in zip(twin.parameters(), buffers, gradients, strict=True):
                buffer.mul_(0.9).add_(gradient + 1e-4 * weight)
                weight.sub_(0.01 * buffer)
    for ours, theirs in zip(training.network.parameters(), twin.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)


def test_a_full_gpu_does_not_make_a_checkpoint_damaged(batches, tmp_path, monkeypatch):
    folder, official = batches
    training = Training(Recipe("lenet3", "bp"), read_folds(folder, torch.device("cpu"), allow_partial=False, official=official))
    training.save(tmp_path / "last.pt")

    def load(*args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(torch, "load", load)
    with pytest.raises(torch.OutOfMemoryError):
        training.load(tmp_path / "last.pt")

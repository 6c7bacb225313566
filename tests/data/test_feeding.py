"""The order of images: one order for any number of devices, a pure function of seed and epoch; and the loader."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from biodeephashing.data import EpochSampler, ImageFold, load_fold, loader
from biodeephashing.errors import DataError, UsageError

SIZES = st.tuples(st.integers(4, 90), st.integers(1, 6).map(lambda quarter: 4 * quarter), st.integers(0, 2**40), st.integers(0, 1000))


def batches(length: int, batch_size: int, seed: int, epoch: int, world_size: int, *, shuffle: bool = True) -> list[list[list[int]]]:
    """Batch by batch what each rank gets, cut up as the loader of that rank cuts it."""
    ranks = []
    for rank in range(world_size):
        sampler = EpochSampler(length, batch_size, seed=seed, shuffle=shuffle, rank=rank, world_size=world_size)
        sampler.set_epoch(epoch)
        rows = list(sampler)
        assert len(rows) == len(sampler)
        share = batch_size // world_size
        ranks.append([rows[start : start + share] for start in range(0, len(rows), share)])
    return [list(parts) for parts in zip(*ranks, strict=True)]


@settings(max_examples=80, deadline=None)
@given(SIZES, st.sampled_from([2, 4]))
def test_devices_share_the_batches_of_one_device(sizes: tuple[int, int, int, int], world_size: int) -> None:
    length, batch_size, _, _ = sizes
    alone = [parts[0] for parts in batches(*sizes, world_size=1)]
    shared = batches(*sizes, world_size=world_size)
    joined = [list(itertools.chain(*parts)) for parts in shared]
    whole = length // batch_size
    assert joined[:whole] == alone[:whole]  # joined by rank, even the order inside the batch is the same
    left = length % batch_size // world_size * world_size
    assert joined[whole:] == ([alone[whole][:left]] if left else [])
    assert all(len({len(part) for part in parts}) == 1 for parts in shared)


@settings(max_examples=60, deadline=None)
@given(SIZES)
def test_one_device_sees_each_image_once(sizes: tuple[int, int, int, int]) -> None:
    rows = [row for parts in batches(*sizes, world_size=1) for row in parts[0]]
    assert sorted(rows) == list(range(sizes[0]))


@settings(max_examples=60, deadline=None)
@given(SIZES, st.sampled_from([2, 4]))
def test_devices_are_disjoint(sizes: tuple[int, int, int, int], world_size: int) -> None:
    rows = [row for parts in batches(*sizes, world_size=world_size) for part in parts for row in part]
    assert len(rows) == len(set(rows)) == sizes[0] - sizes[0] % world_size


@settings(max_examples=60, deadline=None)
@given(SIZES, st.sampled_from([1, 2, 4]))
def test_without_shuffling_everything_comes_in_order(sizes: tuple[int, int, int, int], world_size: int) -> None:
    rows = list(itertools.chain(*(itertools.chain(*parts) for parts in batches(*sizes, world_size=world_size, shuffle=False))))
    length = sizes[0]
    missing = -length % world_size
    assert rows == [*range(length), *range(missing)]


def test_one_image_alone_joins_the_batch_before_it(tiny_database: str) -> None:
    fold = ImageFold(load_fold(tiny_database, "train"), "none")  # 32 images
    sizes = {
        (batch_size, shuffle, world_size): [
            len(rows) for _, _, rows in loader(fold, batch_size=batch_size, shuffle=shuffle, world_size=world_size)
        ]
        for batch_size, shuffle, world_size in ((31, True, 1), (31, False, 1), (30, True, 1), (1, True, 1), (30, True, 2))
    }
    assert sizes == {
        (31, True, 1): [32],
        (31, False, 1): [31, 1],
        (30, True, 1): [30, 2],
        (1, True, 1): [1] * 32,
        (30, True, 2): [16],  # 16 images for each of two devices, 15 to a batch
    }
    batches = loader(fold, batch_size=31, shuffle=True)
    assert len(batches) == 1
    assert sorted(next(iter(batches))[2].tolist()) == list(range(32))


def test_pure_function_of_seed_and_epoch() -> None:
    orders = {}
    for seed, epoch in itertools.product(range(4), range(4)):
        sampler = EpochSampler(50, 8, seed=seed)
        sampler.set_epoch(3)
        list(sampler)  # what was drawn before does not matter
        sampler.set_epoch(epoch)
        torch.manual_seed(0)
        np.random.seed(0)
        orders[seed, epoch] = tuple(sampler)
        assert tuple(sampler) == orders[seed, epoch]
        fresh = EpochSampler(50, 8, seed=seed)
        fresh.set_epoch(epoch)
        assert tuple(fresh) == orders[seed, epoch]
    assert len(set(orders.values())) == 16


def test_an_epoch_that_draws_from_some_rows() -> None:
    chosen = [np.array([9, 2, 5, 7, 30]), np.array([1, 0, 8, 3, 4])]
    for rank, world_size in ((0, 1), (0, 2), (1, 2)):
        whole = EpochSampler(5, 4, seed=6, rank=rank, world_size=world_size)
        some = EpochSampler(5, 4, seed=6, rank=rank, world_size=world_size, rows=chosen.__getitem__)
        for epoch, rows in enumerate(chosen):
            whole.set_epoch(epoch)
            some.set_epoch(epoch)
            assert list(some) == [rows[place] for place in whole]
            assert len(some) == len(whole)


@settings(max_examples=60, deadline=None)
@given(SIZES)
def test_independent_batches_repeat_items_between_them_only(sizes: tuple[int, int, int, int]) -> None:
    length, batch_size, seed, epoch = sizes
    sampler = EpochSampler(length, batch_size, seed=seed, independent=True)
    sampler.set_epoch(epoch)
    rows = list(sampler)
    assert len(rows) == len(sampler) == length
    for start in range(0, length, batch_size):
        assert len(set(rows[start : start + batch_size])) == min(batch_size, length - start)
    assert set(rows) <= set(range(length))


def test_an_independent_batch_is_the_beginning_of_a_permutation_of_its_own() -> None:
    sampler = EpochSampler(50, 20, seed=3, independent=True)
    sampler.set_epoch(7)
    expected = []
    for number, size in enumerate((20, 20, 10)):
        draws = np.random.PCG64(np.random.SeedSequence((3, 7), spawn_key=(0, number))).random_raw(50).tolist()
        expected += sorted(range(50), key=draws.__getitem__)[:size]
    assert list(sampler) == expected
    assert len(set(expected)) < 50


@pytest.mark.parametrize("independent", [False, True])
def test_pairs_are_items_in_their_order_with_another_one_each(independent: bool) -> None:
    alone, paired = (EpochSampler(30, 8, seed=2, independent=independent, pairwise=pairwise) for pairwise in (False, True))
    steps = []
    for epoch in range(30):
        alone.set_epoch(epoch)
        paired.set_epoch(epoch)
        rows = list(paired)
        assert len(rows) == len(paired) == 60
        assert rows[::2] == list(alone)
        assert all(one != other for one, other in zip(rows[::2], rows[1::2], strict=True))
        steps += [(other - one) % 30 for one, other in zip(rows[::2], rows[1::2], strict=True)]
    counts = np.bincount(steps, minlength=30)[1:]
    assert counts.min() > 10  # 900 draws of 29 different ones: 31 on average, 5.5 the deviation


@settings(max_examples=60, deadline=None)
@given(SIZES, st.sampled_from([2, 4]), st.booleans())
def test_devices_share_the_pairs_of_one_device(sizes: tuple[int, int, int, int], world_size: int, independent: bool) -> None:
    length, batch_size, seed, epoch = sizes
    samplers = [
        EpochSampler(length, batch_size, seed=seed, rank=rank, world_size=count, independent=independent, pairwise=True)
        for count in (1, world_size)
        for rank in range(count)
    ]
    for sampler in samplers:
        sampler.set_epoch(epoch)
    alone, *shares = map(list, samplers)
    share, whole = 2 * batch_size // world_size, 2 * length // (2 * batch_size)
    for batch in range(whole):
        joined = [row for rows in shares for row in rows[batch * share : (batch + 1) * share]]
        assert joined == alone[batch * 2 * batch_size :][: 2 * batch_size]
    left = [row for rows in shares for row in rows[whole * share :]]
    assert left == alone[whole * 2 * batch_size :][: len(left)]
    assert len(left) % 2 == 0


def test_the_loader_cuts_pairs_into_batches_of_twice_the_size(tiny_database: str) -> None:
    fold = ImageFold(load_fold(tiny_database, "train"), "none")
    sizes = [len(rows) for *_, rows in loader(fold, batch_size=31, shuffle=True, pairwise=True)]
    assert sizes == [62, 2]
    with pytest.raises(DataError, match="no other one"):
        EpochSampler(1, 1, pairwise=True)


def test_same_order_everywhere() -> None:
    """Ranks of the raw PCG64 draws seeded by (seed, epoch) = (0, 1); a different order here would break resumed trainings."""
    sampler = EpochSampler(6, 6, seed=0)
    sampler.set_epoch(1)
    draws = np.random.PCG64(np.random.SeedSequence((0, 1))).random_raw(6).tolist()
    assert list(sampler) == sorted(range(6), key=lambda row: draws[row]) == PINNED


PINNED = [4, 5, 1, 2, 0, 3]


def test_orders_are_uniform() -> None:
    """Over 6,000 epochs each of the 6 orders of 3 images comes about 1,000 times (deviation 29; five of them allowed)."""
    counts: dict[tuple[int, ...], int] = {}
    sampler = EpochSampler(3, 3)
    for epoch in range(6000):
        sampler.set_epoch(epoch)
        counts[tuple(sampler)] = counts.get(tuple(sampler), 0) + 1
    assert len(counts) == 6
    assert all(abs(count - 1000) < 145 for count in counts.values())


def test_uneven_batch_and_too_few_images() -> None:
    with pytest.raises(UsageError, match="-bs 6 cannot be shared evenly by 4 devices"):
        EpochSampler(100, 6, world_size=4)
    with pytest.raises(UsageError, match="-bs 0"):
        EpochSampler(100, 0)
    with pytest.raises(DataError, match="3 images cannot be shared by 4 devices"):
        EpochSampler(3, 4, world_size=4)


@pytest.mark.parametrize("workers", [0, 2])
def test_loader_feeds_every_image_with_its_labels(tiny_database: str, workers: int) -> None:
    fold = ImageFold(load_fold(tiny_database, "train"), "none")
    feed = loader(fold, batch_size=5, num_workers=workers, shuffle=True, seed=3)
    for epoch in range(2):
        feed.sampler.set_epoch(epoch)
        sampler = EpochSampler(32, 5, seed=3)
        sampler.set_epoch(epoch)
        seen = []
        for images, labels, rows in feed:
            assert images.shape == (len(rows), 3, 32, 32)
            assert torch.equal(labels, fold.labels[rows])
            assert all(torch.equal(image, fold[int(row)][0]) for image, row in zip(images, rows, strict=True))
            seen += rows.tolist()
        assert seen == list(sampler)
    assert len(feed) == 7


def test_loader_in_file_order(tiny_database: str) -> None:
    fold = ImageFold(load_fold(tiny_database, "database"), "none")
    assert torch.cat([rows for *_, rows in loader(fold, batch_size=7)]).tolist() == list(range(32))


@pytest.mark.parametrize("workers", [0, 1])
def test_loader_leaves_the_global_generator(tiny_database: str, workers: int) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    fold = ImageFold(load_fold(tiny_database, "val"), "none")
    list(loader(fold, batch_size=4, num_workers=workers, shuffle=True))
    assert torch.equal(torch.rand(3), expected)


def test_lightning_tells_the_epoch_and_keeps_the_sampler(tiny_database: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    import lightning

    class Recorder(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(1, 1)
            self.seen: list[list[int]] = []

        def on_train_epoch_start(self) -> None:
            self.seen.append([])

        def training_step(self, batch, number):  # type: ignore[no-untyped-def]
            self.seen[-1] += batch[2].tolist()
            return self.layer(torch.ones(1, 1)).sum()

        def configure_optimizers(self):  # type: ignore[no-untyped-def]
            return torch.optim.SGD(self.parameters(), lr=0.1)

    feed = loader(ImageFold(load_fold(tiny_database, "train"), "none"), batch_size=8, shuffle=True, seed=1)
    model = Recorder()
    trainer = lightning.Trainer(
        max_epochs=3, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False
    )
    trainer.fit(model, feed)
    assert len(model.seen) == 3
    for epoch, seen in enumerate(model.seen):
        sampler = EpochSampler(32, 8, seed=1)
        sampler.set_epoch(epoch)
        assert seen == list(sampler)
    assert trainer.train_dataloader.sampler is feed.sampler

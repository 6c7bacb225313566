"""Prepared ready features: what is noticed about them, how they are standardised, and what a network is fed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from biodeephashing.backbones import Standardised, build_feature_network
from biodeephashing.commands.doctor import examine_database
from biodeephashing.data import FeatureFold, PreparedDataset, load_features, load_fold, loader, read_split
from biodeephashing.data.features.rows import statistics_of, write_features
from biodeephashing.data.own.features import prepare_features
from biodeephashing.data.split import checksums, features_file, read_facts, write_split
from biodeephashing.errors import DataError, UnknownNameError, UsageError
from biodeephashing.runs import processed_folder


def features_of(count: int, width: int, dtype: Any = np.float32) -> np.ndarray:
    return np.random.default_rng(count + width).standard_normal((count, width)).astype(dtype)


class TestPreparedFeatures:
    @pytest.fixture
    def mine(self, project_home: Path, tmp_path: Path) -> str:
        arrays = {"features": features_of(30, 3), "texts": features_of(30, 2, np.float16), "labels": np.arange(30) % 3}
        for name, array in arrays.items():
            np.save(tmp_path / f"{name}.npy", array)
        prepare_features("MINE", **{name: [str(tmp_path / f"{name}.npy")] for name in arrays})
        return "MINE"

    def test_changed_files_are_noticed(self, mine: str) -> None:
        for modality in ("image", "text"):
            file = features_file(processed_folder(mine), "train", modality)
            before = file.read_bytes()
            file.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
            with pytest.raises(DataError, match=f"{file.name} was changed"):
                read_split(mine)
            file.unlink()
            with pytest.raises(DataError, match=f"{file.name} is missing"):
                read_split(mine)
            file.write_bytes(before)
            read_split(mine)

    def test_rows_that_are_missing(self, mine: str) -> None:
        folder = processed_folder(mine)
        write_features(features_file(folder, "val", "image"), features_of(2, 3), np.arange(2))
        with pytest.raises(DataError, match=r"float32 \(2, 3\), but .* has 3 lines"):
            load_features(load_fold_unchecked(mine, "val"))

    def test_doctor(self, mine: str) -> None:
        diagnosis = examine_database(mine)
        assert diagnosis.faults == []
        assert read_split(mine).understood[0].startswith("30 items, 3 classes (0, 1, 2), 1 class per item")
        assert read_split(mine).understood[0] in diagnosis.facts
        assert any(fact.startswith("query: text features float16 (3, 2)") for fact in diagnosis.facts)
        folder = processed_folder(mine)
        values = np.array(load_features(load_fold(mine, "train")))
        values[3] = load_features(load_fold(mine, "query"))[0]
        values[4, 1] = np.inf
        write_features(features_file(folder, "train", "image"), values, np.arange(len(values)))
        write_split(folder, dataclasses.replace(read_facts(mine), sha256=checksums(folder)))
        diagnosis = examine_database(mine)
        assert ["not finite: 1 rows" in fault and "line 5" in fault for fault in diagnosis.faults] == [True]
        assert any("same image features as an item of train: 1" in remark for remark in diagnosis.remarks)

    @pytest.mark.parametrize("modality", ["image", "text"])
    def test_batches(self, mine: str, modality: str) -> None:
        metadata = PreparedDataset(mine).fold("train")
        values = load_features(metadata, modality)
        fold = FeatureFold(metadata, values)
        parts = list(loader(fold, batch_size=4, shuffle=True, num_workers=2))
        rows = torch.cat([rows for _, _, rows in parts]).numpy()
        assert sorted(rows.tolist()) == list(range(15))
        assert np.array_equal(torch.cat([features for features, _, _ in parts]).numpy(), values[rows])
        assert np.array_equal(torch.cat([labels for _, labels, _ in parts]).numpy(), metadata.labels[rows])
        assert fold.transformation.to_network_input(fold[0][0][None]).dtype == torch.float32


def load_fold_unchecked(name: str, fold: str) -> Any:
    folder = processed_folder(name)
    write_split(folder, dataclasses.replace(read_facts(name), sha256=checksums(folder)))
    return load_fold(name, fold)


class TestStandardising:
    def test_statistics(self) -> None:
        values = (1000 + np.random.default_rng(0).standard_normal((10_000, 4))).astype(np.float32)
        values[:, 2] = 7
        mean, deviation = statistics_of(values)
        exact = values.astype(np.float64)
        assert np.allclose(mean, exact.mean(axis=0), rtol=1e-6)
        assert np.allclose(deviation[[0, 1, 3]], exact.std(axis=0)[[0, 1, 3]], rtol=1e-6)
        assert deviation[2] == 1

    def test_by_hand(self) -> None:
        network = build_feature_network("linear", mean=torch.tensor([1.0, 2.0]), deviation=torch.tensor([2.0, 4.0]), bits=1)
        with torch.no_grad():
            network.hash_layer.weight.copy_(torch.tensor([[3.0, 5.0]]))
        assert network(torch.tensor([[5.0, 10.0]])).item() == 3 * 2 + 5 * 2
        assert isinstance(network.backbone, Standardised)
        assert {"backbone.mean", "backbone.deviation"} <= set(network.state_dict())

    @pytest.mark.parametrize("name", ["mlp:0", "mlp:a", "linear:3"])
    def test_options_that_cannot_be(self, name: str) -> None:
        with pytest.raises(UsageError, match=name):
            build_feature_network(name, mean=torch.zeros(2), deviation=torch.ones(2), bits=1)
        with pytest.raises(UnknownNameError):
            build_feature_network("lenet", mean=torch.zeros(2), deviation=torch.ones(2), bits=1)

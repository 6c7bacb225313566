"""Files of settings of torchcmh: what each key means, what is refused, and that flags win."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from scipy.io import savemat

from biodeephashing.data.mat.content import prepare_mat
from biodeephashing.errors import UsageError
from biodeephashing.losses import keywords_of
from biodeephashing.losses.crossmodal import CROSSMODAL_LOSSES, CrossModalLoss
from biodeephashing.models.CrossModal import Settings
from biodeephashing.models.CrossModal.train import main as script
from biodeephashing.registry import keywords_on_disk
from biodeephashing.settings.flags import collect_settings
from biodeephashing.settings.parsers import train_parser

SHIPPED = Path(__file__).parents[2] / "fixtures" / "torchcmh.yaml"
TEXT = SHIPPED.read_text("utf-8")


@pytest.fixture
def flickr(project_home: Path, tmp_path: Path) -> str:
    """Prepare 30 items in the three files of torchcmh."""
    count = 30
    labels = np.concatenate([np.eye(3, dtype=np.uint8)[np.arange(count) % 3], (np.arange(count) % 2)[:, None].astype(np.uint8)], axis=1)
    names = np.empty((count, 1), dtype=object)
    names[:, 0] = [f"im{row + 1}.jpg" for row in range(count)]
    for row, (name,) in enumerate(names):
        Image.fromarray(np.full((20, 24, 3), 8 * row, np.uint8)).save(tmp_path / name)
    mat = tmp_path / "mirflckr25k"
    mat.mkdir()
    for file, key, value in (("imgList", "FAll", names), ("tagList", "YAll", labels), ("labelList", "LAll", labels)):
        savemat(mat / f"{file}.mat", {key: value})
    prepare_mat("Mirflickr25K", [mat], images=tmp_path, sizes="train=14,val=6,query=4", seed=6)
    return "Mirflickr25K"


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Settings]:
    """Return what reads the settings of a file, and of flags."""

    def settings(text: str, *flags: str) -> Settings:
        (tmp_path / "settings.yaml").write_text(text, "utf-8")
        arguments = train_parser(Settings).parse_args(["-config", str(tmp_path / "settings.yaml"), *flags])
        return collect_settings(Settings, arguments, arguments.config)

    return settings


def test_a_file_as_shipped(flickr: str, read: Callable[..., Settings]) -> None:
    assert read(TEXT) == Settings(
        loss="DCMH", database="Mirflickr25K", batch_size=64, number_of_bits=32, device="cpu", architecture="cnnf",
        text_architecture="mlp:8192", transformations="squash", image_augmentation="rotate=0.5,hflip=0.5,vflip=0.5,keep=0.5",
        text_augmentation="erase=0.1,keep=0.5",
    )  # fmt: skip


def test_it_trains(flickr: str, capsys: pytest.CaptureFixture[str]) -> None:
    script(["-config", str(SHIPPED), "-arch", "lenet", "-text_arch", "mlp:8", "-bs", "7", "-ep", "1", "-nw", "0", "-tracking", "off"])
    out = capsys.readouterr().out
    assert "val_mAP_i2t" in out
    assert "-trf squash" in out
    assert "14 images in batches of 7" in out


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("method: DCMH", "method: dsph", {"loss": "DSPH"}),
        ("method: DCMH", "method: SCAHN", {"loss": "SCAHN", "architecture": "resnet34", "text_architecture": "ms_residual"}),
        ("method: DCMH", "method: DCMH\n  gamma: 2\n  eta: 0.5", {"constants": "eta=0.5,gamma=2"}),
        ("dataName: Mirflickr25K", "dataName: mir flickr-25k", {}),
        ("dataName: Mirflickr25K", "dataName: mirflckr25k", {}),
        ("cuda: False", "cuda: True", {"device": "auto"}),
        ("cuda: False\n  device: 0", "device: [0, 1]", {"device": "auto", "devices": 2}),
        ("    resize: [224, 224]\n", "", {"transformations": "imagenet"}),
        ("normalize:\n      enable: False", "normalize: {enable: True}", {"text_weights": "unit"}),
        ("onehot: True", "onehot: no", {}),
        ("dataAugmentation:\n  enable: True", "dataAugmentation:\n  enable: off", {"image_augmentation": "", "text_augmentation": ""}),
        ("img:\n    enable: True", "img:\n    enable: False", {"image_augmentation": ""}),
        ("txt:\n    enable: True", "txt:\n    enable: False", {"text_augmentation": ""}),
        ("RandomErasure:\n      enable: True", "RandomErasure:\n      enable: False", {"text_augmentation": ""}),
        ("defaultValue: 0", "defaultValue: 1", {"text_augmentation": "erase=0.1,keep=0.5,value=1"}),
        ("txt:\n    enable: True\n    originalRetention: 0.5", "txt:", {"text_augmentation": "erase=0.1"}),
        (
            "randomRotation:\n      enable: True", "randomRotation:\n      enable: False",
            {"image_augmentation": "hflip=0.5,keep=0.5,vflip=0.5"},
        ),
        (
            "[[90, 90], [180, 180], [270, 270]]", "[[180, 180]]",
            {"image_augmentation": "angles=180,hflip=0.5,keep=0.5,rotate=0.5,vflip=0.5"},
        ),
        (TEXT[TEXT.index("dataPreprocess") :], "", {"transformations": "imagenet", "image_augmentation": "", "text_augmentation": ""}),
    ],
)  # fmt: skip
def test_what_keys_mean(flickr: str, read: Callable[..., Settings], old: str, new: str, changed: dict[str, object]) -> None:
    assert TEXT.count(old) == 1
    before, after = read(TEXT).as_dict("train"), read(TEXT.replace(old, new)).as_dict("train")
    expected = {
        name: value for name, value in (before | changed).items() if value or name not in ("image_augmentation", "text_augmentation")
    }
    assert after == expected


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("batchSize", "batchsize", r"training\.batchsize.*did you mean 'training\.batchSize'"),
        ("bit: 32", "bit: 32\n  gama: 1", r"training\.gama.*did you mean 'training\.gamma'"),
        ("training:", "trainning:", "trainning.*did you mean 'training'"),
        ("img_dir: /data", "imgdir: /data", r"datasetPath\.mirflickr25k\.imgdir.*img_dir"),
        ("toTensor", "totensor", r"dataPreprocess\.img\.totensor.*toTensor"),
        ("defaultValue", "default", r"dataAugmentation\.txt\.RandomErasure\.default.*defaultValue"),
        ("method: DCMH", "method: DCHM", r"training\.method 'DCHM': did you mean 'DCMH'"),
        ("dataName: Mirflickr25K", "dataName: Mirflick", r"training\.dataName 'Mirflick': did you mean 'Mirflickr25K'"),
        ("dataName: Mirflickr25K", "dataName: coco", r"training\.dataName coco .*MAT\.py -name MSCOCO.*-protocol coco-captions"),
        ("  tc12:", "  tc13:", r"datasetPath 'tc13'"),
        ("bit: 32", "bit: many", r"training\.bit many"),
        ("cuda: False", "cuda: maybe", r"training\.cuda.*neither"),
        ("cuda: False\n  device: 0", "device: [2, 3]", r"training\.device \[2, 3\].*CUDA_VISIBLE_DEVICES=2,3"),
        ("resize: [224, 224]", "resize: [256, 256]", r"dataPreprocess\.img\.resize \[256, 256\]"),
        ("mean: [0.485", "mean: [0.5", r"dataPreprocess\.img\.normalize\.mean \[0\.5, "),
        ("toTensor: True", "toTensor: False", r"dataPreprocess\.img\.toTensor"),
        ("[90, 90]", "[0, 30]", r"randomRotation\.rotationAngle"),
        ("[[90, 90], [180, 180], [270, 270]]", "90", r"randomRotation\.rotationAngle"),
        ("probability: 0.1", "probability: 1.5", r"RandomErasure\.probability 1\.5"),
        ("      probability: 0.1\n", "", r"RandomErasure\.probability is missing"),
        ("defaultValue: 0", "defaultValue: 0.5", r"RandomErasure\.defaultValue 0\.5"),
        ("txt:\n    normalize:\n      enable: False", "txt: binary", r"dataPreprocess\.txt has keys of its own"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_its_key(
    flickr: str, read: Callable[..., Settings], old: str, new: str, message: str
) -> None:
    assert TEXT.count(old) == 1
    with pytest.raises(UsageError, match=message):
        read(TEXT.replace(old, new))


def test_every_key_is_known_by_its_name_alone(flickr: str, read: Callable[..., Settings]) -> None:
    """Each key of the file, misspelt, is refused together with the key that was meant."""

    def keys(content: object) -> list[str]:
        return [name for key, value in content.items() for name in (key, *keys(value))] if isinstance(content, dict) else []

    names = {
        key for key in keys(yaml.safe_load(TEXT)) if key not in ("mirflickr25k", "nuswide", "mscoco", "tc12", "enable", "std", "method")
    }
    assert len(names) > 20
    for name in names:
        with pytest.raises(UsageError, match=rf"did you mean '([\w.]+\.)?{name}'"):
            read(TEXT.replace(f"{name}:", f"{name}x:"))


def test_a_dataset_that_is_not_prepared_is_named_with_the_directory_of_its_images(
    project_home: Path, read: Callable[..., Settings]
) -> None:
    with pytest.raises(UsageError, match=r"MAT\.py -name Mirflickr25K -from FOLDER -images /data/mirflickr25k/mirflickr`"):
        read(TEXT)


def test_flags_win(prepare_pairs: Callable[..., str], read: Callable[..., Settings]) -> None:
    own = [
        "-db",
        prepare_pairs(),
        "-loss",
        "DNpH",
        "-trf",
        "none",
        "-nbits",
        "16",
        "-img_aug",
        "vflip=1",
        "-arch",
        "bio-lenet",
        "-mode",
        "fa",
    ]
    text = TEXT.replace("DCMH", "GCH").replace("224, 224", "256, 256")
    settings = read(text, *own)
    assert (settings.database, settings.loss, settings.transformations, settings.number_of_bits) == ("PAIRS", "DNpH", "none", 16)
    assert (settings.image_augmentation, settings.batch_size, settings.architecture) == ("vflip=1", 64, "bio-lenet")
    with pytest.raises(UsageError, match="totensor"):
        read(text.replace("toTensor", "totensor"), *own)


def test_a_prepared_dataset_with_texts_goes_before_one_without(
    prepare_pairs: Callable[..., str], tiny_database: str, read: Callable[..., Settings]
) -> None:
    prepare_pairs("NUSWIDE_tc21")
    assert read(TEXT.replace("dataName: Mirflickr25K", "dataName: NUS-WIDE")).database == "NUSWIDE_tc21"
    assert read(TEXT.replace("dataName: Mirflickr25K", "dataName: nuswide-TC21")).database == "NUSWIDE_tc21"
    with pytest.raises(UsageError, match="dataName 'TINY'"):
        read(TEXT.replace("dataName: Mirflickr25K", "dataName: TINY"))


@pytest.mark.parametrize("loss", CROSSMODAL_LOSSES)
def test_constants_of_a_method_are_known_without_importing_it(loss: str) -> None:
    own = keywords_of(CROSSMODAL_LOSSES[loss]).keys() - keywords_of(CrossModalLoss).keys()
    assert set(keywords_on_disk("losses/crossmodal", "CROSSMODAL_LOSSES", loss)) == own

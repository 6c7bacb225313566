"""The table of settings: names of runs, conversion, validation."""

import dataclasses
import hashlib
import json
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biodeephashing.errors import UnknownNameError, UsageError
from biodeephashing.losses import LOSSES, PENALTIES
from biodeephashing.models.PenaltyStrategies import Settings
from biodeephashing.settings import PHASES

CONTRACT = {
    "experiment_name": "bioexp",
    "database": "CIFAR_10",
    "batch_size": 128,
    "epochs": 20,
    "architecture": "bio-vgg16",
    "loss": "DCH",
    "number_of_bits": 32,
    "mode": "fa",
}
HEAD = "-loss=DCH-nbits=32-trf=imagenet-arch=bio-vgg16-seed=0-bs=128-mode=fa-ep=20-pt=10"


def test_name_of_the_contract_command():
    expected = f"{HEAD}-lr=1e-05-wd=0.0005-optim=adam-penalty=0.01-L2_penalty=0.0-HSWD_penalty=0.0"
    assert Settings(**CONTRACT).name == expected


def test_name_with_other_rate_penalty_and_no_cube():
    settings = Settings.from_mapping(CONTRACT | {"lr": "0.0001", "penalty": "1", "no_cube": True}, "test")
    assert settings.name == f"{HEAD}-lr=0.0001-wd=0.0005-optim=adam-penalty=1.0-L2_penalty=0.0-HSWD_penalty=0.0-no_cube"


def test_defaults():
    assert Settings().name == (
        "-loss=DSH-nbits=1-trf=imagenet-arch=alexnet-seed=0-bs=16-mode=bp-ep=10-pt=10"
        "-lr=1e-05-wd=0.0005-optim=adam-penalty=0.01-L2_penalty=0.0-HSWD_penalty=0.0"
    )


def test_whole_numbers_given_for_fractions_make_the_same_name():
    assert Settings(penalty=1, weight_decay=0).name == Settings(penalty=1.0, weight_decay=0.0).name


@pytest.mark.parametrize(
    ("changes", "suffix"),
    [
        ({"weights": "none"}, "-weights=none"),
        ({"scale": "weight"}, "-scale=weight"),
        ({"precision": "bf16-mixed"}, "-precision=bf16-mixed"),
        ({"min_delta": 0.0}, "-min_delta=0.0"),
        ({"constrain_norm": True, "clip_norm": 5}, "-constrain_norm-clip_norm=5.0"),
        ({"no_cube": True, "min_delta": 0.01}, "-no_cube-min_delta=0.01"),
        ({"freeze": True, "fixed_norm": True}, "-freeze-fixed_norm"),
        ({"constants": "gamma=20"}, "-constants=gamma%3D20"),
        ({"hash_rate": 1, "schedule": "step:30:0.1"}, "-schedule=step%3A30%3A0.1-hash_rate=1.0"),
        ({"balanced_HSWD_penalty": 0.1}, "-balanced_HSWD_penalty=0.1"),
    ],
)
def test_later_settings_enter_the_name_only_when_changed(changes, suffix):
    assert Settings(**CONTRACT, **changes).name == Settings(**CONTRACT).name + suffix


@pytest.mark.parametrize(
    "changes",
    [
        {"experiment_name": "other"},
        {"database": "DIGITS"},
        {"num_workers": 4},
        {"datafolds": ("query",)},
        {"no_skip": True},
        {"soft_skip": True},
        {"device": "cpu"},
        {"devices": 2},
        {"tracking": "off"},
        {"predict_batch_size": 7},
        {"tsv": True},
        {"align_every": 3},
    ],
)
def test_what_does_not_change_the_result_is_not_in_the_name(changes):
    assert Settings(**CONTRACT | changes).name == Settings(**CONTRACT).name


def test_a_timm_backbone_makes_a_name_that_is_legal_everywhere():
    name = Settings(architecture="bio-timm:resnet18.a1_in1k", weights=r"C:\nets/a b.pt").name
    assert "-arch=bio-timm%3Aresnet18.a1_in1k-seed" in name
    assert name.endswith("-weights=C%3A%5Cnets%2Fa b.pt")
    assert not set(name) & set('<>:"/\\|?*')


TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=20)


@given(TEXTS, TEXTS)
def test_different_weights_never_share_a_name(one, other):
    first, second = Settings(weights=one), Settings(weights=other)
    assert (first.name == second.name) == (one == other)
    assert not set(first.name) & set('<>:"/\\|?*')


def test_a_name_too_long_for_a_folder_is_refused():
    with pytest.raises(UsageError, match=r"the run's name would have .* bytes and a folder may have 255"):
        Settings(weights="w" * 200)
    assert len(Settings(weights="w" * 90).name.encode()) <= 255


# ---------------------------------------------------------------- rules and backbones


def with_mode(mode):
    return Settings(**CONTRACT | {"mode": mode})


@pytest.mark.parametrize(
    ("mode", "part"),
    [
        ("features.*=frsf,*=bp", "-mode=features.%2A%3Dfrsf,%2A%3Dbp-ep="),
        ("classifier-only:fa", "-mode=classifier-only%3Afa-ep="),
        ("layer[12].?=fa,*=bp", "-mode=layer%5B12%5D.%3F%3Dfa,%2A%3Dbp-ep="),
    ],
)
def test_a_map_makes_a_name_that_is_legal_everywhere_and_leads_back(mode, part):
    settings = with_mode(mode)
    assert part in settings.name
    assert not set(settings.name) & set('<>:"/\\|?*')
    assert unquote(settings.name.split("-mode=")[1].split("-ep=")[0]) == mode


def test_blanks_in_a_map_change_nothing():
    assert with_mode(" features.* =frsf , *= bp") == with_mode("features.*=frsf,*=bp")
    assert with_mode("classifier-only: fa") == with_mode("classifier-only:fa")


@given(st.lists(st.sampled_from([f"layer{number}.*=fa" for number in range(9)]), unique=True, max_size=9))
def test_different_maps_never_share_a_name(entries):
    names = {with_mode(",".join([*entries[:cut], "*=bp"])).name for cut in range(len(entries) + 1)}
    assert len(names) == len(entries) + 1
    assert all(len(name.encode()) <= 255 for name in names)


def test_a_long_map_gives_way_to_its_digest():
    mode = ",".join([*(f"layer{number}.*=frsf" for number in range(20)), "*=bp"])
    settings, other = with_mode(mode), with_mode(mode.replace("frsf,*", "fa,*"))
    short = hashlib.sha256(mode.encode()).hexdigest()[:12]
    assert f"-mode=map~{short}-ep=20" in settings.name
    assert settings.name.replace(short, "") == other.name.replace(hashlib.sha256(other.mode.encode()).hexdigest()[:12], "")
    assert settings.name != other.name
    assert Settings.from_mapping(settings.as_dict("train"), "hparams.json") == settings  # which is where the map can be read
    with pytest.raises(UsageError, match="unknown value for -mode"):
        with_mode(f"map~{short}")


@pytest.mark.parametrize(
    ("architecture", "mode"),
    [("bio-vgg16", "fa"), ("vgg16", "bp"), ("bio-timm:resnet18", "fa"), ("timm:resnet18", "bp")],
)
def test_mode_left_out(architecture, mode):
    assert Settings(architecture=architecture).mode == mode


def test_transformation_left_out():
    for changes, expected in [
        ({"architecture": "bio-vgg16"}, "imagenet"),
        ({"architecture": "hrnet_w32", "weights": "imagenet"}, "imagenet"),
        ({"architecture": "bio-timm:vit_tiny_patch16_224"}, "weights"),
        ({"architecture": "timm:resnet18", "weights": "a.pth"}, "weights"),
        ({"architecture": "timm:resnet18", "weights": "none"}, "imagenet"),
        ({"architecture": "timm:resnet18", "transformations": "none"}, "none"),
        ({"architecture": "bio-efficientnet_lite0"}, "weights"),
        ({"architecture": "efficientnet_lite0", "weights": "none"}, "imagenet"),
        ({"architecture": "efficientnet_lite0", "transformations": "weights-96"}, "weights-96"),
        ({"architecture": "vgg16", "transformations": "weights-aug-64"}, "weights-aug-64"),
    ]:
        settings = Settings(**changes)
        assert settings.transformations == expected, changes
        assert f"-trf={expected}-" in settings.name


def test_bio_with_bp_is_legal():
    assert Settings(architecture="bio-lenet", mode="bp").backbone == "lenet"


def test_a_rule_on_a_plain_backbone_is_refused_with_a_hint():
    with pytest.raises(UsageError, match=r"-arch vgg16 always trains with bp, so -mode fa .* write -arch bio-vgg16"):
        Settings(architecture="vgg16", mode="fa")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mode": "frfs"}, "unknown value for -mode 'frfs': did you mean 'frsf'"),
        ({"loss": "DHC"}, "unknown value for -loss 'DHC': did you mean 'DCH'"),
        ({"architecture": "bio-vg16"}, "unknown backbone 'bio-vg16': did you mean 'bio-vgg16'"),
        ({"architecture": "alexnt"}, "unknown backbone 'alexnt': did you mean 'alexnet'"),
        ({"architecture": "hrnet_w19"}, "unknown backbone 'hrnet_w19': did you mean 'hrnet_w18'"),
        ({"architecture": "densenet121"}, "unknown backbone 'densenet121': did you mean 'timm:densenet121'"),
        ({"architecture": "bio-densnet121"}, "unknown backbone 'bio-densnet121': did you mean 'bio-timm:densenet121'"),
        ({"architecture": "bio-bio-vgg16"}, "unknown backbone 'bio-bio-vgg16'"),
        ({"architecture": ""}, "unknown backbone ''"),
        ({"optimizer": "adan"}, "unknown value for -optim 'adan': did you mean 'adam'"),
        ({"datafolds": ("train", "querry")}, "unknown value for -dfs 'querry': did you mean 'query'"),
        ({"precision": "16"}, "unknown value for -precision '16'"),
    ],
)
def test_misspelt_values_name_the_nearest(changes, message):
    with pytest.raises(UnknownNameError, match=message):
        Settings(**changes)


def test_a_penalty_is_not_a_loss():
    assert not set(LOSSES) & set(PENALTIES)
    with pytest.raises(UnknownNameError, match="unknown value for -loss 'HSWD'"):
        Settings(loss="HSWD")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"number_of_bits": 0}, "-nbits 0 is not possible: it must be from 1 to 1024 bits"),
        ({"number_of_bits": -8}, "-nbits -8 is not possible"),
        ({"number_of_bits": 1025}, "-nbits 1025 is not possible"),
        ({"batch_size": 0}, "-bs 0 is not possible: it must be at least 1 image"),
        ({"epochs": 0}, "-ep 0"),
        ({"patience": 0}, "-pt 0"),
        ({"seed": -1}, "-seed -1"),
        ({"seed": 2**64}, "-seed 18446744073709551616 is not possible: it must be from 0 to 2^64 - 1"),
        ({"num_workers": -1}, "-nw -1"),
        ({"learning_rate": 0.0}, "-lr 0.0 is not possible: it must be above 0"),
        ({"learning_rate": float("nan")}, "-lr nan is not possible: it must be a finite number"),
        ({"learning_rate": float("inf")}, "-lr inf is not possible: it must be a finite number"),
        ({"weight_decay": -0.1}, "-wd -0.1"),
        ({"penalty": -1.0}, "-penalty -1.0"),
        ({"penalty": float("nan")}, "-penalty nan"),
        ({"L2_penalty": -1.0}, "-L2_penalty -1.0"),
        ({"HSWD_penalty": float("inf")}, "-HSWD_penalty inf"),
        ({"hash_rate": 0.0}, "-hash_rate 0.0 is not possible: it must be above 0"),
        ({"min_delta": -0.1}, "-min_delta -0.1"),
        ({"experiment_name": ""}, "-exp ''"),
        ({"experiment_name": "a/b"}, "-exp 'a/b'"),
        ({"experiment_name": ".."}, "-exp '..'"),
        ({"database": "../x"}, "-db '../x'"),
        ({"scale": "big"}, "-scale 'big'"),
        ({"scale": "-1"}, "-scale '-1'"),
        ({"scale": "inf"}, "-scale 'inf'"),
        ({"scale": "wieght"}, "did you mean 'weight'"),
        ({"devices": 3, "batch_size": 16}, "-bs 16 cannot be shared evenly by -devices 3"),
    ],
)
def test_impossible_values(changes, message):
    with pytest.raises(UsageError) as caught:
        Settings(**changes)
    assert message in str(caught.value)


@pytest.mark.parametrize("scale", ["init", "weight", "0.5", "2"])
def test_scales(scale):
    assert Settings(scale=scale).scale == scale


# ---------------------------------------------------------------- mappings: YAML and hparams.json


def test_short_and_long_names_mean_the_same():
    short = {setting.flag: field.default for field, setting in Settings.table()}
    long = {field.name: field.default for field, setting in Settings.table()}
    assert Settings.from_mapping(short, "a") == Settings.from_mapping(long, "b") == Settings()


@pytest.mark.parametrize(
    ("values", "name", "expected"),
    [
        ({"lr": "1e-4"}, "learning_rate", 1e-4),
        ({"learning_rate": 1}, "learning_rate", 1.0),
        ({"nbits": "32"}, "number_of_bits", 32),
        ({"precision": 32}, "precision", "32"),
        ({"scale": 0.5}, "scale", "0.5"),
        ({"no_cube": "True"}, "no_cube", True),
        ({"no_cube": False}, "no_cube", False),
        ({"dfs": "query val"}, "datafolds", ("query", "val")),
        ({"dfs": ["query"]}, "datafolds", ("query",)),
    ],
)
def test_values_are_converted(values, name, expected):
    value = getattr(Settings.from_mapping(values, "x.yaml"), name)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"learning_rte": 1}, "x.yaml: unknown setting 'learning_rte': did you mean 'learning_rate'"),
        ({"nbit": 1}, "x.yaml: unknown setting 'nbit': did you mean 'nbits'"),
        ({3: 1}, "x.yaml: unknown setting '3'"),
        ({"lr": 1e-3, "learning_rate": 1e-3}, "x.yaml: learning_rate is given twice"),
        ({"nbits": "many"}, "x.yaml: nbits: 'many' is not a whole number"),
        ({"nbits": 32.5}, "x.yaml: nbits: 32.5 is not a whole number"),
        ({"nbits": True}, "x.yaml: nbits: True is not a whole number"),
        ({"nbits": None}, "x.yaml: nbits: None is not a whole number"),
        ({"nbits": [32]}, "x.yaml: nbits: [32] is not a whole number"),
        ({"lr": "fast"}, "x.yaml: lr: 'fast' is not a number"),
        ({"loss": {"a": 1}}, "x.yaml: loss: {'a': 1} is not a text"),
        ({"tracking": False}, "x.yaml: tracking: False is not a text"),
        ({"no_cube": "yes please"}, "x.yaml: no_cube: 'yes please' is neither true nor false"),
        ({"no_cube": 1}, "x.yaml: no_cube: 1 is neither true nor false"),
        ({"dfs": 3}, "x.yaml: dfs: 3 is not a list"),
    ],
)
def test_mappings_that_cannot_be_used(values, message):
    with pytest.raises(UsageError) as caught:
        Settings.from_mapping(values, "x.yaml")
    assert message in str(caught.value)


@pytest.mark.parametrize("phase", PHASES)
def test_what_hparams_json_holds_leads_back(phase):
    settings = Settings(**CONTRACT, no_cube=True, min_delta=0.01, datafolds=("query", "val") if phase == "predict" else Settings.datafolds)
    values = json.loads(json.dumps(settings.as_dict(phase)))
    assert ("datafolds" in values) is (phase == "predict")
    assert Settings.from_mapping(values | {"model": "PenaltyStrategies", "preprocessing": {"size": None}}, "hparams.json") == settings


def test_the_table_is_consistent():
    flags = [setting.flag for _, setting in Settings.table()]
    names = {field.name for field, _ in Settings.table()}
    assert len(set(flags)) == len(flags)
    for field, setting in Settings.table():
        assert setting.flag not in names - {field.name}  # a short flag is never another setting's long name
        assert setting.help
        assert set(setting.phases) <= set(PHASES)
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().seed = 3

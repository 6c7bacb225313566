"""Command lines: every flag, strictly as it is spelt."""

import subprocess
import sys

import pytest
from many_cases import each_case

from biodeephashing.errors import UsageError
from biodeephashing.models.PenaltyStrategies import Settings
from biodeephashing.settings import PHASES
from biodeephashing.settings.flags import add_settings, collect_settings, given_settings
from biodeephashing.settings.strict_parser import StrictParser
from biodeephashing.settings.yaml_file import read_config

# For every setting a legal text that is not its default, and the value it must become.
SAMPLES = {
    "experiment_name": ("e2", "e2"),
    "database": ("DIGITS", "DIGITS"),
    "loss": ("DCH", "DCH"),
    "number_of_bits": ("32", 32),
    "transformations": ("none", "none"),
    "architecture": ("bio-vgg16", "bio-vgg16"),
    "seed": ("3", 3),
    "batch_size": ("128", 128),
    "mode": ("usf", "usf"),
    "num_workers": ("0", 0),
    "epochs": ("20", 20),
    "patience": ("3", 3),
    "learning_rate": ("1e-4", 1e-4),
    "weight_decay": ("0", 0.0),
    "optimizer": ("sgd", "sgd"),
    "datafolds": ("query val", ("query", "val")),
    "no_skip": ("", True),
    "penalty": ("1", 1.0),
    "L2_penalty": ("0.01", 0.01),
    "HSWD_penalty": (".1", 0.1),
    "no_cube": ("", True),
    "soft_skip": ("", True),
    "weights": ("net.pt", "net.pt"),
    "scale": ("weight", "weight"),
    "constrain_norm": ("", True),
    "clip_norm": ("5", 5.0),
    "align_every": ("2", 2),
    "precision": ("64", "64"),
    "min_delta": ("0", 0.0),
    "constants": ("gamma=20,period=7", "gamma=20,period=7"),
    "schedule": ("step:30:0.1", "step:30:0.1"),
    "hash_rate": ("1", 1.0),
    "balanced_HSWD_penalty": ("0.2", 0.2),
    "freeze": ("", True),
    "device": ("cpu", "cpu"),
    "devices": ("4", 4),
    "tracking": ("off", "off"),
    "cache": ("all", "all"),
    "predict_batch_size": ("7", 7),
    "tsv": ("", True),
    "rule_constants": ("rate=0.1,samples=9", "rate=0.1,samples=9"),
    "fixed_norm": ("", True),
    "train_only": ("blocks.6.*,conv_head", "blocks.6.*,conv_head"),
    "bank": ("", True),
}
FOREIGN = [(phase, f"-{s.flag}") for phase in PHASES for _, s in Settings.table() if phase not in s.phases]
FLAGS = [(phase, flag, field.name) for field, s in Settings.table() for phase in s.phases for flag in (f"-{s.flag}", f"--{field.name}")]


def parse(line, phase="train"):
    parser = StrictParser(prog="x.py")
    add_settings(parser, Settings, phase)
    return parser.parse_args(line.split())


def settings(line, phase="train"):
    return collect_settings(Settings, parse(line, phase))


def test_every_setting_has_a_sample():
    assert list(SAMPLES) == [field.name for field, _ in Settings.table()]


@each_case("phase, flag, name", FLAGS)
def test_every_flag_short_and_long(phase, flag, name):
    text, value = SAMPLES[name]
    given = given_settings(Settings, parse(f"{flag} {text}", phase))
    assert given == {name: value}
    assert type(given[name]) is type(value)
    line = f"{flag} {text}" + (" -arch bio-lenet" if name in ("mode", "align_every", "rule_constants") else "")
    assert getattr(settings(line, phase), name) == value


@each_case("phase, flag, name", [case for case in FLAGS if SAMPLES[case[2]][0] and case[2] != "datafolds"])
def test_every_flag_with_an_equals_sign(phase, flag, name):
    text, value = SAMPLES[name]
    assert given_settings(Settings, parse(f"{flag}={text}", phase)) == {name: value}


@pytest.mark.parametrize("phase", PHASES)
def test_nothing_given_is_the_defaults(phase):
    assert settings("", phase) == Settings()


def test_the_contract_command():
    line = "-exp bioexp -db CIFAR_10 -bs 128 -ep 20 -arch bio-vgg16 -loss DCH -nbits 32 -mode fa"
    expected = (
        "-loss=DCH-nbits=32-trf=imagenet-arch=bio-vgg16-seed=0-bs=128-mode=fa-ep=20-pt=10"
        "-lr=1e-05-wd=0.0005-optim=adam-penalty=0.01-L2_penalty=0.0-HSWD_penalty=0.0"
    )
    assert settings(line).name == settings(line, "predict").name == expected
    tail = "-ep=20-pt=10-lr=0.0001-wd=0.0005-optim=adam-penalty=1.0-L2_penalty=0.0-HSWD_penalty=0.0-no_cube"
    assert settings(line + " -lr 0.0001 -penalty 1 -no_cube").name.endswith(tail)


@each_case("phase, flag", FOREIGN)
def test_a_flag_of_another_phase_is_refused(phase, flag):
    with pytest.raises(UsageError, match=f"unknown flag {flag}"):
        parse(f"{flag} 1", phase)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-nb 8", "unknown flag -nb: did you mean -nbits?"),
        ("-nbits8", "unknown flag -nbits8: did you mean -nbits?"),
        ("--number_of_bit 8", "unknown flag --number_of_bit: did you mean --number_of_bits?"),
        ("--number 8", "unknown flag --number:"),
        ("--nbits 8", "unknown flag --nbits: did you mean -nbits?"),
        ("-no_cub", "unknown flag -no_cub: did you mean -no_cube?"),
        ("-l2_penalty 1", "unknown flag -l2_penalty: did you mean -L2_penalty?"),
        ("-nb=8", "unknown flag -nb: did you mean -nbits?"),
        ("-zzzzzzzz", "unknown flag -zzzzzzzz: (-h lists"),
        ("-nbits", "-nbits/--number_of_bits: expected one argument"),
        ("-nbits 8 9", "unrecognized arguments: 9"),
        ("8", "unrecognized arguments: 8"),
        ("-no_cube=false", "ignored explicit argument"),
        ("-nbits 8 -nbits 8", "-nbits is given twice: leave one out"),
        ("-nbits 8 --number_of_bits 16", "-nbits is given twice (also as --number_of_bits): leave one out"),
        ("-lr=1e-4 -lr 1e-5", "-lr is given twice"),
        ("-no_cube --no_cube", "-no_cube is given twice"),
    ],
)
def test_command_lines_that_are_refused(line, message):
    with pytest.raises(UsageError) as caught:
        parse(line)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-nbits 0", "-nbits 0 is not possible: it must be from 1 to 1024 bits"),
        ("-nbits -8", "-nbits -8 is not possible"),
        ("-nbits 8.0", "-nbits: '8.0' is not a whole number"),
        ("-lr nan", "-lr nan is not possible"),
        ("-lr -0.1", "-lr -0.1 is not possible: it must be above 0"),
        ("-lr fast", "-lr: 'fast' is not a number"),
        ("-loss DHC", "unknown value for -loss 'DHC': did you mean 'DCH'"),
        ("-arch vgg16 -mode fa", "write -arch bio-vgg16 to train it with fa"),
        ("-arch vgg16 -mode features.*=frsf,*=bp", "always trains with bp, so -mode features.*=frsf,*=bp would have no effect"),
        ("-arch bio-lenet -mode features.*=frfs,*=bp", "unknown value for -mode 'frfs': did you mean 'frsf'?"),
        ("-arch bio-lenet -mode features.*=frsf,*", "'*' is not of the form pattern=rule"),
        ("-arch bio-lenet -mode *=fa,*=bp", "the pattern '*' comes twice"),
        ("-arch bio-lenet -mode classifer-only:fa", "unknown preset 'classifer-only' of rules: did you mean 'classifier-only'?"),
        ("-arch bio-lenet -mode classifier-only:fb", "unknown value for -mode 'fb'"),
        (
            "-rule_constants rate=0.1",
            "-arch alexnet has none: write -arch bio-alexnet",
        ),
        ("-arch bio-lenet -rule_constants rate", "'rate' is not of the form name=value"),
        ("-arch lenet -align_every 1", "-align_every measures learning rules, and -arch lenet has none: write -arch bio-lenet"),
        ("-arch bio-lenet -align_every -1", "-align_every -1 is not possible: it must be at least 0 epochs"),
        ("-clip_norm -1", "-clip_norm -1.0 is not possible: it must be at least 0"),
    ],
)
def test_values_that_are_refused(line, message):
    with pytest.raises(UsageError) as caught:
        settings(line)
    assert message in str(caught.value)


@pytest.mark.parametrize("phase", PHASES)
def test_a_map_of_rules_is_one_argument(phase):
    parser = StrictParser()
    add_settings(parser, Settings, phase)
    collected = collect_settings(Settings, parser.parse_args(["-arch", "bio-lenet", "-mode", " features.* = frsf , * = bp "]))
    assert collected.mode == "features.*=frsf,*=bp"
    assert collect_settings(Settings, parser.parse_args(["-arch=bio-lenet", "-mode=features.*=frsf,*=bp"])) == collected


def test_a_flag_can_be_left_out():
    parser = StrictParser()
    add_settings(parser, Settings, "train", skip=["seed", "mode"])
    with pytest.raises(UsageError, match="unknown flag -seed"):
        parser.parse_args(["-seed", "1"])


def test_a_value_that_starts_with_a_dash_takes_an_equals_sign():
    parser = StrictParser()
    parser.add_argument("-p", "--path")
    name = Settings().name
    assert parser.parse_args([f"--path={name}"]).path == name
    assert parser.parse_args(["-p", f"models/{name}"]).path == f"models/{name}"
    with pytest.raises(UsageError, match=r"a value that starts with a dash is written --flag=value"):
        parser.parse_args(["-p", name])


# ---------------------------------------------------------------- -config FILE


def write(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text, "utf-8")
    return path


def test_flags_win_over_the_file(tmp_path):
    path = write(tmp_path, "nbits: 16\nlearning_rate: 1e-4\nno_cube: true\nprecision: 32\n")  # YAML 1.1 reads 1e-4 as a text
    collected = collect_settings(Settings, parse("-nbits 32"), path)
    assert (collected.number_of_bits, collected.learning_rate, collected.no_cube) == (32, 1e-4, True)


def test_what_is_written_is_what_the_setting_reads(tmp_path):
    path = write(
        tmp_path, "exp: 2024_05_01\nnbits: 010\nlr: 1e-4\ntracking: off\nno_cube: yes\nconstants: alpha=1\ndfs: [query, database]\n"
    )
    collected = collect_settings(Settings, parse(""), path)
    assert (collected.experiment_name, collected.number_of_bits, collected.learning_rate) == ("2024_05_01", 10, 1e-4)
    assert (collected.tracking, collected.no_cube, collected.datafolds) == ("off", True, ("query", "database"))


def test_no_file_is_an_empty_mapping():
    assert read_config(Settings, None) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learning_rte: 1", "unknown setting 'learning_rte': did you mean 'learning_rate'"),
        ("lr: 1\nlearning_rate: 1", "gives a setting twice"),
        ("- 1\n- 2", "does not hold a mapping of settings"),
        ("", "does not hold a mapping of settings"),
        ("a: [", "is not YAML"),
        ("nbits: many", "nbits: 'many'"),
        ("nbits: 0", "-nbits 0 is not possible"),
        ("mode: fa\nnbits: 16\nmode: usf", "gives mode twice, in line 1 and in line 3"),
        ("{seed: 1, seed: 2}", "gives seed twice, in line 1 and in line 1"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        collect_settings(Settings, parse(""), path)
    assert message.replace("nbits: 'many'", "number_of_bits: 'many'") in str(caught.value)


def test_a_file_that_is_no_text(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(UsageError, match="is not YAML"):
        read_config(Settings, path)


def test_a_missing_file(tmp_path):
    with pytest.raises(UsageError, match=r"cannot read the settings file .*nowhere\.yaml"):
        read_config(Settings, tmp_path / "nowhere.yaml")


# ---------------------------------------------------------------- -h


@pytest.mark.parametrize("phase", PHASES)
def test_help_of_a_script_lists_every_flag_and_loads_nothing_heavy(tmp_path, phase):
    script = tmp_path / "some_phase.py"
    script.write_text(
        "import sys\n"
        "from biodeephashing.models.PenaltyStrategies import Settings\n"
        "from biodeephashing.settings.flags import add_settings\n"
        "from biodeephashing.settings.strict_parser import StrictParser\n"
        "from biodeephashing.errors import guard\n"
        "def main():\n"
        "    parser = StrictParser(description='Some phase.')\n"
        f"    add_settings(parser, Settings, {phase!r})\n"
        "    try:\n"
        "        parser.parse_args()\n"
        "    finally:\n"
        "        print('heavy:', [m for m in ('torch', 'numpy', 'yaml', 'mlflow') if m in sys.modules])\n"
        "if __name__ == '__main__':\n"
        "    raise SystemExit(guard(main))\n"
    )
    done = subprocess.run([sys.executable, str(script), "-h"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr == ""
    assert "heavy: []" in done.stdout
    for field, setting in Settings.table():
        assert (f"--{field.name}" in done.stdout) is (phase in setting.phases)


def test_help_names_the_defaults_that_say_something(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    parser = StrictParser()
    silent = {"-file": {}, "-quick": {"action": "store_true"}, "-names": {"nargs": "+", "default": []}}
    for flag, details in (silent | {"-count": {"type": int, "default": 0}, "-way": {"default": "on"}}).items():
        parser.add_argument(flag, help="whatever", **details)
    words = {line.split()[0]: line for line in parser.format_help().splitlines() if "whatever" in line}
    assert [flag for flag, line in words.items() if "default" in line] == ["-count", "-way"]
    assert words["-count"].endswith("(default: 0)")


def test_help_leaves_addresses_whole(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    address = "https://www.kaggle.com/c/imagenet-object-localization-challenge/rules"
    text = StrictParser(description="One %.", epilog=f"Once, on {address}, 100 %, in a file of %USERPROFILE% or elsewhere.").format_help()
    assert address in text
    assert "One %." in text
    assert " ".join(text.split()).endswith("100 %, in a file of %USERPROFILE% or elsewhere.")

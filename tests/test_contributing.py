"""Each block of CONTRIBUTING.md, a rule, loss, penalty, backbone, dataset or method, is enough: written to the letter, it works."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
BLOCK = r"^```python\n# (src/[\w/]+\.py)(?:; in (src/[\w/]+\.py): ([^\n]+))?\n(.*?)^```$"
WALK = """
import torch
from biodeephashing.cli import main
from biodeephashing.losses.crossmodal import CROSSMODAL_LOSSES
from biodeephashing.runs import known_runs, settings_of
from biodeephashing.settings.constants import parse_constants
from biodeephashing.settings.strict_parser import command_line

network = "-exp new -db Leaves -trf none -nbits 8 -nw 0 -device cpu -tracking off".split()
print(command_line("src/data/process/Leaves.py"))
main(["prepare", "Leaves"])
main(["train", *network, *"-arch bio-tiny -mode clipped -rule_constants threshold=0.5".split(),
      *"-loss Cosine -constants slope=2 -Balance_penalty 0.1 -bs 10 -ep 2".split()])
main(["train", "LSH", *network, "-arch", "tiny", "-seed", "3"])
for run in known_runs():
    main(["predict", "-p", str(run)])
settings = settings_of("CrossModal")(loss="Aligned", constants="slope=2")
loss = CROSSMODAL_LOSSES[settings.loss](bits=2, classes=2, train_size=2, similar_probability=0.5, **parse_constants(settings.constants))
print("Aligned", float(loss(torch.ones(2, 2), torch.ones(2, 2), torch.eye(2), torch.arange(2))))  # (2 - 1)² and (2 - 0)²
try:
    main(["train", "-h"])
except SystemExit:
    main(["list"])
"""


@pytest.fixture
def home(tmp_path):
    """A copy of the package to which every block is added, and photographs of leaves."""
    shutil.copytree(ROOT / "src", tmp_path / "biodeephashing", ignore=shutil.ignore_patterns("__pycache__"))
    blocks = re.findall(BLOCK, (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)
    rooms = [Path(file).relative_to("src").parts[0] for file, *_ in blocks]
    assert rooms == ["bio", "losses", "losses", "losses", "backbones", "data", "models"]
    for file, listing, line, code in blocks:
        assert not (ROOT / file).exists()
        (tmp_path / file.replace("src/", "biodeephashing/")).write_text(code, "utf-8")
        if listing:
            with (tmp_path / listing.replace("src/", "biodeephashing/")).open("a", encoding="utf-8") as registry:
                registry.write(f"{line}\n")
    noise = np.random.default_rng(0).integers(0, 99, size=(2, 30, 16, 16, 3), dtype=np.uint8)
    for number, species in enumerate(("ash", "oak")):
        (tmp_path / "data" / "raw" / "Leaves" / species).mkdir(parents=True)
        for row, image in enumerate(noise[number] + np.uint8(100 * number)):
            Image.fromarray(image).save(tmp_path / "data" / "raw" / "Leaves" / species / f"{species}{row}.png")
    return tmp_path


def test_every_block_does_what_its_section_says(home):
    surroundings = os.environ | {"PYTHONPATH": str(home), "BIODEEPHASHING_HOME": str(home)}
    done = subprocess.run([sys.executable, "-c", WALK], capture_output=True, text=True, cwd=home, env=surroundings, check=False)
    assert done.returncode == 0, done.stderr
    said = done.stdout
    assert said.startswith("biodeephashing prepare Leaves\n")
    assert "Leaves, disjoint split (train 20, val 8, query 8, database 24)" in said
    assert "epoch 2/2" in said
    runs = {path.parts[-4]: path.name for path in home.glob("models/*/*/*/*")}
    assert set(runs) == {"PenaltyStrategies", "LSH"}
    for part in ("-loss=Cosine-", "-arch=bio-tiny-", "-mode=clipped-", "-Balance_penalty=0.1", "-constants=slope%3D2", "threshold%3D0.5"):
        assert part in runs["PenaltyStrategies"]
    assert runs["LSH"] == "-nbits=8-trf=none-arch=tiny-seed=3"
    assert "-Balance_penalty X" in said
    assert said.count("query: 8 codes of 8 bits") == 2
    assert abs(float(said.partition("Aligned ")[2].split()[0]) - 2.5) < 1e-6
    assert {line.split()[1] for line in said.splitlines() if line.startswith("Leaves/new ")} == set(runs)

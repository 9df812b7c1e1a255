"""The configs of `configs/losses/`: one recipe, of which each changes the loss and nothing that it does not explain."""

import re
from pathlib import Path

import pytest

from centerloss_core.config import Config, load_config, load_document, resolve_sweep

ROOT = Path(__file__).parent.parent
FILES = {path.stem: path for path in sorted((ROOT / "configs" / "losses").glob("*.yaml"))}
ALL = FILES.pop("all")
RATES = ("train.head_rate", "train.learning_rate")
OTHERS = ("model.head_bias", "train.sampler.classes", "train.sampler.images", "train.sampler")


def beside_the_loss(config: Config) -> dict[str, object]:
    return {key: value for key, value in config.settings().items() if not key.startswith("loss.")}


RECIPE = beside_the_loss(load_config(ROOT / "configs" / "mnist.yaml"))


def test_there_are_those_that_center_loss_is_compared_with() -> None:
    assert FILES.keys() >= {
        *("softmax", "center", "contrastive-center", "git", "ring", "normface", "cosface", "arcface"),
        *("sphereface", "l-softmax", "prototypes", "gaussian-mixture", "anchors", "triplet", "supcon"),
    }


@pytest.mark.parametrize("name", FILES)
def test_a_loss_has_the_recipe_of_mnist_but_for_what_its_header_explains(name: str) -> None:
    own = beside_the_loss(load_config(FILES[name]))
    header = FILES[name].read_text(encoding="utf-8").split("\ndata:")[0]
    differ = {key for key in {*own, *RECIPE} if own.get(key) != RECIPE.get(key)} - {"train.epochs"}
    assert differ <= {*RATES, *OTHERS}
    assert len(differ & set(RATES)) <= 1
    for key in differ:
        assert key.split(".")[1] in header, key
    assert own["train.epochs"] == 2


@pytest.mark.parametrize("name", FILES)
def test_a_header_has_the_command_and_what_it_reaches(name: str) -> None:
    header = FILES[name].read_text(encoding="utf-8").split("\ndata:")[0]
    assert all(line.startswith("#") for line in header.strip().splitlines())
    assert f"cl train losses/{name}\n" in header
    assert re.search(r"nearest mean .*%", header)
    assert "3 seeds" in header
    assert "120,000 images" in header


def test_the_sweep_over_all_losses_has_each_config_as_it_is() -> None:
    points = resolve_sweep(load_document(ALL)).points
    configs = {str(point.settings["variant"]): point.config for point in points}
    assert len(points) == len(FILES)
    assert configs.keys() == FILES.keys()
    for name, config in configs.items():
        assert config == load_config(FILES[name]), name

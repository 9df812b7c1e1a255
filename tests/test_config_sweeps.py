"""The points of a sweep, from its section and the command line, and the words for what is wrong with them."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from centerloss_core.config import (
    ConfigError,
    Flags,
    Grid,
    load_document,
    parse_flags,
    parse_list,
    resolve_sweep,
)

BASE = "data: {name: digits8}\ntrain: {epochs: 1}\n"
Swept = Callable[..., Grid]


@pytest.fixture
def swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Swept:
    """The points of a file `x.yaml` in the current folder."""
    monkeypatch.chdir(tmp_path)

    def swept(
        text: str,
        grid: Sequence[str] = (),
        lists: Mapping[str, str] = {},
        settings: Sequence[str] = (),
        device: str | None = None,
    ) -> Grid:
        Path("x.yaml").write_text(BASE + textwrap.dedent(text))
        return resolve_sweep(load_document(Path("x.yaml")), parse_flags(lists, grid, device, settings))

    return swept


def names(grid: Grid) -> list[str]:
    return [point.name for point in grid.points]


def test_lambda_takes_the_values_of_the_post_where_no_other_axis_is_named(swept: Swept) -> None:
    of_the_post = ["lambda0", "lambda0.01", "lambda0.1", "lambda1"]
    for text in (
        "",
        "sweep: {launcher: ray}",
        "sweep: {alpha: [0.5]}",
        "sweep: {grid: {}}",
        "sweep: [{seed: [0]}]",
    ):
        assert [name.split("-")[0] for name in names(swept(text))] == of_the_post, text
    for text in (
        "sweep: {grid: {model.feature_dim: [2]}}",
        "sweep: {variants: {a: {}}}",
        "sweep: [{variants: {a: {}}}]",
    ):
        assert len(names(swept(text))) == 1
    assert len(names(swept("", ["model.feature_dim=2,8"], {"train.seed": "0,1"}))) == 4


def test_points_go_through_lambda_alpha_others_and_seeds(swept: Swept) -> None:
    grid = swept("sweep: {seed: [7, 3], grid: {train.batch_size: [2, 1]}, alpha: [0.5, 0.2], lambda: [0.1]}")
    assert names(grid) == [
        f"lambda0.1-alpha{alpha}-seed{seed}-batch_size{size}"
        for alpha in (0.5, 0.2)
        for size in (2, 1)
        for seed in (7, 3)
    ]
    point = grid.points[-1]
    assert list(point.settings.items()) == [
        ("loss.lambda", 0.1),
        ("loss.alpha", 0.2),
        ("train.batch_size", 1),
        ("train.seed", 3),
    ]
    assert (point.config.train.batch_size, point.config.train.seed, point.config.loss.alpha) == (1, 3, 0.2)


def test_values_may_be_lists_and_mappings(swept: Swept) -> None:
    grid = swept(
        """\
        sweep:
          grid:
            model.channels: [[8, 16, 16], [32, 64, 128]]
            loss.ramp: [null, {start: 0.2}]
            loss.term: [{name: center}, none]
        """
    )
    assert (
        names(grid)[2]
        == "lambda0.01-alpha0.5-seed0-channels8-16-16-ramp-start0.2-end0.7-from1e-05-term-center"
    )
    assert grid.points[-1].settings["loss.term"] == "none"
    assert [point.config.model.channels[0] for point in grid.points] == [8] * 4 + [32] * 4


def test_variants_are_bundles_of_settings(swept: Swept) -> None:
    grid = swept(
        """\
        sweep: {variants: {small: {model.channels: [8, 16, 16], train.iterations: 9}, plain: {}}, seed: [0, 1]}
        overrides:
          - {when: {variant: plain, train.seed: 1}, set: {train.epochs: 5}}
        """
    )
    assert names(grid) == [
        f"{variant}-lambda0.01-alpha0.5-seed{seed}" for variant in ("small", "plain") for seed in (0, 1)
    ]
    assert [(point.config.train.iterations, point.config.train.epochs) for point in grid.points] == [
        (9, None), (9, None), (None, 1), (None, 5),
    ]  # fmt: skip
    assert grid.points[0].settings == {"variant": "small", "train.seed": 0}


def test_blocks_are_united(swept: Swept) -> None:
    text = """\
        sweep:
          - {lambda: [0, 0.1], grid: {model.feature_dim: [2, 8]}}
          - {lambda: [0.1, 1], seed: [0, 1]}
          - {launcher: slurm, resources: {cpus: 2}}
        """
    grid = swept(text)
    assert names(grid) == [
        f"lambda{rest}"
        for rest in (
            "0-alpha0.5-seed0-feature_dim2", "0-alpha0.5-seed0-feature_dim8",
            "0.1-alpha0.5-seed0-feature_dim2", "0.1-alpha0.5-seed0-feature_dim8",
            "0.1-alpha0.5-seed1-feature_dim2", "1-alpha0.5-seed0-feature_dim2", "1-alpha0.5-seed1-feature_dim2",
        )
    ]  # fmt: skip
    assert (grid.launch.launcher, grid.launch.resources.cpus) == ("slurm", 2)
    again = swept(text, lists={"train.seed": "5"}, settings=["sweep.resources.cpus=3"])
    assert (len(again.points), again.launch.resources.cpus) == (5, 3)
    assert {point.config.train.seed for point in again.points} == {5}


def test_flags_take_the_place_of_the_values_of_their_key_alone(swept: Swept) -> None:
    text = "sweep: {lambda: [wrong], seed: [7, 3], grid: {model.feature_dim: [wrong], train.batch_size: [1]}}"
    lists = {"loss.lambda": "1"}
    grid = swept(text, ["model.feature_dim=2,8"], lists, ["loss.alpha=0.3", "train.epochs=9"], "cpu")
    assert names(grid)[0] == "lambda1-alpha0.3-seed7-batch_size1-feature_dim2"
    assert len(grid.points) == 4
    assert {(point.config.train.device, point.config.train.epochs) for point in grid.points} == {("cpu", 9)}
    assert (
        len(swept("", settings=["sweep.lambda=[0, 2]", "sweep.grid.model.feature_dim=[2, 8, 3]"]).points) == 6
    )


def test_a_head_is_set_before_its_settings(swept: Swept) -> None:
    grid = swept("sweep: {grid: {loss.term.margin: [0.3], loss.term: [triplet]}}")
    ((name, margin),) = ((each.config.loss.term.name, each.config.loss.term.margin) for each in grid.points)
    assert (name, margin) == ("triplet", 0.3)
    with pytest.raises(ConfigError, match=r"loss\.term\.marign: unknown key; did you mean 'margin'\?"):
        swept("sweep: {grid: {loss.term.marign: [1], loss.term: [center]}}")
    with pytest.raises(ConfigError, match=r"loss\.term\.margin: unknown key\. Allowed here: name"):
        swept("sweep: {grid: {loss.term.margin: [1], loss.term: [center]}}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{grid: {model.feature_dmi: [1]}}", "model.feature_dmi: unknown key; did you mean 'feature_dim'? "),
        ("{grid: {modl.x: [1]}}", "modl: unknown key; did you mean 'model'? "),
        (
            "{grid: {model.feature_dim: [2, x]}}",
            "model.feature_dim: expected an integer from 1 to 4096; received 'x'",
        ),
        (
            "{grid: {model.feature_dim: 2}}",
            "sweep.grid.model.feature_dim: expected a non-empty list of values; received 2; write [2]",
        ),
        (
            "{grid: {train.epochs: [1, 1]}}",
            "sweep.grid.train.epochs: 1 is there twice; the values of a sweep must differ",
        ),
        (
            "{grid: {epochs: [1]}}",
            "epochs: expected a dotted key such as train.iterations; did you mean 'train.epochs'?",
        ),
        ("{grid: {overrides.x: [1]}}", "overrides.x: an axis cannot set the section overrides"),
        (
            "{grid: {loss.lambda: [0]}, lambda: [1]}",
            "sweep.grid.loss.lambda: also given by sweep.lambda; give it once",
        ),
        (
            "{grid: {train.epochs: [1], train.iterations: [1]}}",
            "train.iterations: give either epochs or iterations, not both",
        ),
        (
            "{grid: {train.optimizer: [muon], train.weight_decay: [0.1]}}",
            "train.weight_decay: muon takes only ",
        ),
        (
            "{variants: {a: {train.epochs: 0}}}",
            "sweep.variants.a.train.epochs: expected null or an integer ≥ 1; received 0",
        ),
        (
            "{variants: {a: {train.epochs: 2}}, grid: {train.epochs: [1]}}",
            "sweep.variants.a.train.epochs: the sweep also varies it apart",
        ),
        ("{variants: {a/b: {}}}", "sweep.variants: the name of a variant begins with a letter"),
        ("{variants: {lambda0: {}}}", "sweep.variants: the name of a variant begins with a letter"),
        (
            "[{variants: {a: {train.epochs: 2}}}, {variants: {a: {}}}]",
            "sweep: two runs have the name a-lambda0.01-alpha0.5-seed0 and differ in train.epochs",
        ),
        (
            "[{launcher: ray}, {launcher: slurm, seed: [1]}]",
            "sweep[1].launcher: also given by sweep[0]; give it once",
        ),
        ("[{lambda: [x]}]", "sweep[0].lambda[0]: expected a number ≥ 0; received 'x'"),
        ("[]", "sweep: expected a mapping with the keys lambda"),
        (f"{{lambda: [0], seed: {list(range(1001))}}}", "sweep: this sweep has 1001 runs; at most 1000"),
    ],
)
def test_sections_that_are_wrong(swept: Swept, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        swept(f"sweep: {text}")
    assert str(caught.value).startswith(f"x.yaml:3: {message}")
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"grid": ["a.b"]}, "--grid a.b: expected KEY=V1,V2, for example model.feature_dim=2,8"),
        (
            {"grid": ["feature_dim=2"]},
            "--grid feature_dim=2: feature_dim: expected a dotted key such as train.iterations; "
            "did you mean 'model.feature_dim'?",
        ),
        (
            {"grid": ["train.epochs=1", "train.epochs=2"]},
            "--grid train.epochs=2: train.epochs is also given by --grid train.epochs=1",
        ),
        (
            {"grid": ["loss.lambda=0"], "lists": {"loss.lambda": "1"}},
            "--grid loss.lambda=0: loss.lambda is also given by --lambda 1",
        ),
        (
            {"grid": ["train.epochs=1,x"]},
            "--grid train.epochs=1,x: train.epochs: expected null or an integer ≥ 1; received 'x'",
        ),
        (
            {"grid": ["train.epohs=1"]},
            "--grid train.epohs=1: train.epohs: unknown key; did you mean 'epochs'?",
        ),
        (
            {"grid": ["train.epochs=1"], "settings": ["train.epochs=2"]},
            "--set train.epochs=2: the sweep varies train.epochs; give its values with --grid train.epochs=…",
        ),
        (
            {"grid": ["train.epochs=1"], "settings": ["train.iterations=2"]},
            "--set train.iterations=2: the sweep varies train.epochs; ",
        ),
        (
            {"grid": ["train.device=cpu"], "device": "cpu"},
            "--device cpu: the sweep varies train.device; give its values with --grid train.device=…",
        ),
        (
            {"settings": ["loss.lambda=1"]},
            "--set loss.lambda=1: the sweep varies loss.lambda; give its values with --lambda",
        ),
        (
            {"settings": ["sweep.variants.a.train.epochs=2", "train.epochs=3"]},
            "--set train.epochs=3: the variant a of the sweep sets train.epochs; give it once",
        ),
        (
            {"lists": {"loss.lambda": "5"}, "settings": ["sweep.lambda=[1]"]},
            "--set sweep.lambda=[1]: sweep.lambda is also given by --lambda 5; give it once",
        ),
        (
            {"lists": {"loss.lambda": "0.1,-1"}},
            "--lambda 0.1,-1: loss.lambda: expected a number ≥ 0; received -1",
        ),
        ({"lists": {"train.seed": "1,1"}}, "--seed 1,1: train.seed: 1 is there twice"),
        ({"lists": {"train.seed": ",".join(map(str, range(251)))}}, "--seed 0,1,2,"),
        (
            {"device": "cpu", "settings": ["train.device=gpu"]},
            "--set train.device=gpu: train.device is also given by --device cpu",
        ),
    ],
)
def test_flags_that_are_wrong(swept: Swept, flags: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        swept("", **flags)
    assert str(caught.value).startswith(message)
    assert len(caught.value.problems) == 1


def test_a_weight_of_nothing_is_not_swept(swept: Swept) -> None:
    with pytest.raises(ConfigError, match="sweep: no run has a loss term, so λ changes nothing: give one λ"):
        swept("sweep: {lambda: [0, 1]}", settings=["loss.term=none"])
    seeds = {"train.seed": "0,1"}
    assert len(swept("", lists=seeds, settings=["loss.term=none"]).points) == 2
    alone = ["loss.term=triplet", "loss.head=none", "loss.lambda=1"]
    assert [point.config.loss.lambda_ for point in swept("", lists=seeds, settings=alone).points] == [1, 1]
    assert len(swept("sweep: {lambda: [0], seed: [0, 1]}", settings=["loss.term=none"]).points) == 2
    assert len(swept("sweep: {grid: {loss.term: [center, none]}, lambda: [0, 1]}").points) == 4


def test_set_reaches_only_the_launch_of_a_list(swept: Swept) -> None:
    with pytest.raises(
        ConfigError, match="the sweep of this file is a list; --set changes only launcher, resources"
    ):
        swept("sweep: [{lambda: [0]}]", settings=["sweep.lambda=[1]"])


def test_an_override_cannot_set_an_axis(swept: Swept) -> None:
    with pytest.raises(
        ConfigError,
        match=r"^x.yaml:4: overrides\[0\].set.train.epochs: an override cannot set what the sweep varies$",
    ):
        swept(
            "sweep: {grid: {train.epochs: [1, 2]}}\noverrides: [{when: {loss.lambda: 1}, set: {train.epochs: 2}}]"
        )
    with pytest.raises(ConfigError, match="variant: expected one of a, b; received 'c'"):
        swept("sweep: {variants: {a: {}, b: {}}}\noverrides: [{when: {variant: c}, set: {train.epochs: 2}}]")


def test_values_of_the_command_line_take_the_place_of_the_other_length_in_the_file(swept: Swept) -> None:
    text = """
    sweep: {grid: {train.iterations: [7, 8]}, lambda: [0.1, 1]}
    overrides: [{when: {loss.lambda: 1}, set: {train.iterations: 9}}]
    """
    with pytest.raises(ConfigError, match="an override cannot set what the sweep varies"):
        swept(text)
    for key in ("train.epochs", "train.iterations"):
        runs = [point.config.settings() for point in swept(text, [f"{key}=3,4"]).points]
        assert [run[key] for run in runs] == [3, 4, 3, 4]
    with pytest.raises(
        ConfigError, match=r"^--grid train.iterations=4: train.iterations: give either epochs"
    ):
        swept("", ["train.epochs=3", "train.iterations=4"])
    only_overrides = text.replace("train.iterations: [7, 8]", "model.feature_dim: [2]")
    for point in swept(only_overrides, settings=["train.epochs=3"]).points:
        assert (point.config.train.epochs, point.config.train.iterations) == (3, None)


def test_problems_of_a_sweep_are_named_once(swept: Swept) -> None:
    with pytest.raises(ConfigError) as caught:
        swept("loss: {alpha: x, alpha: 1}", settings=["train.log_every=0"])
    assert str(caught.value).splitlines() == [
        "x.yaml:3: loss.alpha: given twice; first on line 3",
        "x.yaml:3: loss.alpha: expected a number from 0 to 1; received 'x'",
        "--set train.log_every=0: train.log_every: expected an integer ≥ 1; received 0",
    ]


def test_values_of_a_flag_are_split_at_commas_outside_of_brackets() -> None:
    assert parse_list("loss.lambda", "0, 1e-4,1") == (0, 1e-4, 1)
    flags = parse_flags(
        {}, ["loss.ramp=null,{start: 0.1, end: 0.2}", "model.channels=[1,2,3]", "data.dir='a,b',c"]
    )
    assert flags == Flags(
        axes={
            "loss.ramp": (None, {"start": 0.1, "end": 0.2}),
            "model.channels": ([1, 2, 3],),
            "data.dir": ("a,b", "c"),
        }
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0,,1", "a value is missing; write null for none"),
        ("", "a value is missing; write null for none"),
        ("[1", "not valid YAML: expected ',' or ']', but got '<stream end>'"),
        (",".join(map(str, range(1001))), "1001 values; a sweep has at most 1000 runs"),
    ],
)
def test_lists_that_cannot_be_read(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_list("train.seed", text)
    assert str(caught.value).endswith(message)

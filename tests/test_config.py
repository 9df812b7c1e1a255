"""What a user meets in `configs/*.yaml`: the values that a run gets, and the words for what is wrong."""

from __future__ import annotations

import textwrap
import time
from pathlib import Path

import pytest

from centerloss_core.config import (
    ConfigError,
    Milestones,
    Problem,
    Ramp,
    Train,
    documents,
    dump_yaml,
    load_config,
    load_document,
    resolve,
)
from centerloss_core.datasets.load import SOURCES

DATA_SETS = ", ".join(SOURCES)
TERMS = "center, contrastive, contrastive_center, git, island, ring, supcon, triplet, none"
HEADS = (
    "softmax, normface, cosface, arcface, sphereface, l_softmax, prototypes, gaussian_mixture, anchors, none"
)
MINIMAL = "data: {name: mnist}\ntrain: {epochs: 2}\n"

THE_POST = """\
data: {name: mnist}
train:
  iterations: 16000
overrides:
  - when: {loss.lambda: 1.0}
    set: {train.iterations: 25000}
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write `x.yaml` into the current folder, so that messages start with `x.yaml`."""
    monkeypatch.chdir(tmp_path)

    def write(text: str | bytes) -> Path:
        path = Path("x.yaml")
        if isinstance(text, str):
            path.write_text(textwrap.dedent(text), encoding="utf-8")
        else:
            path.write_bytes(text)
        return path

    return write


def complaints(path: Path, *flags: object, settings: tuple[str, ...] = ()) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(path, *flags, settings=settings)
    return str(caught.value).splitlines()


def complaint(path: Path, settings: tuple[str, ...] = ()) -> str:
    """The only one."""
    (line,) = complaints(path, settings=settings)
    return line


# ---------------------------------------------------------------- values


def test_a_minimal_file_gets_every_default(write):
    config = load_config(write(MINIMAL))
    assert config.data.name == "mnist"
    assert (config.data.dir, config.data.validation) == (None, 0)
    assert (config.model.feature_dim, config.model.batch_norm, config.model.prelu_start) == (2, True, 0.25)
    assert (config.model.initializer, config.model.head_bias) == ("he_normal", True)
    assert config.model.input_scaling == "unit"
    assert (config.loss.lambda_, config.loss.alpha, config.loss.reduction) == (0.01, 0.5, "sum")
    assert (config.loss.centers_start, config.loss.ramp) == ("zeros", None)
    train = config.train
    assert (train.epochs, train.iterations, train.batch_size) == (2, None, 100)
    assert (train.optimizer, train.learning_rate, train.schedule) == ("adam", 0.001, "constant")
    assert (train.momentum, train.weight_decay, train.head_rate) == (0.9, 0.0, 1.0)
    assert (train.precision, train.deterministic, train.seed, train.device) == ("auto", True, 0, "auto")
    assert (train.log_every, train.checkpoint_every, train.dump_every_epoch) == (50, None, True)


def test_an_empty_section_has_its_defaults(write):
    assert load_config(write(MINIMAL + "loss:\nsweep:\noverrides:\n")) == load_config(write(MINIMAL))


def test_the_two_forms_of_ramp_and_schedule(write):
    text = MINIMAL + "loss: {ramp: {end: 0.5}}\n"
    config = load_config(write(text), settings=["train.schedule={milestones: [5000, 8000]}"])
    assert config.loss.ramp == Ramp.model_validate({"start": 0.1, "end": 0.5, "from": 1e-5})
    assert config.train.schedule == Milestones(milestones=(5000, 8000), factor=0.8)
    assert load_config(write(text), settings=["loss.ramp=null"]).loss.ramp is None


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-4", 1e-4), ("1E-4", 1e-4), ("1.5e-3", 1.5e-3), (".5", 0.5), ("+2.", 2.0), ("1", 1.0), ("0", 0.0)],
)
def test_numbers_are_read_as_they_are_meant(write, text, value):
    lambda_ = load_config(write(MINIMAL + f"loss:\n  lambda: {text}\n")).loss.lambda_
    assert lambda_ == value
    assert isinstance(lambda_, float)


@pytest.mark.parametrize(
    ("text", "received"),
    [
        ("'1e-4'", "'1e-4'; write it without quotes"),
        ("010", "'010'; write a number without leading zeros"),
        ("0-4", "'0-4'"),
        ("1_000", "'1_000'; write 1000"),
        ("1:30", "'1:30'"),
        ("0x10", "'0x10'"),
        ("true", "true"),
        (".nan", "nan; it must be finite"),
        (".inf", "inf; it must be finite"),
        ("1e999", "inf; it must be finite"),
        ("-0.1", "-0.1"),
        ("null", "null"),
        ("[1]", "a list"),
    ],
)
def test_what_is_no_number_does_not_become_one(write, text, received):
    path = write(MINIMAL + f"loss:\n  lambda: {text}\n")
    assert complaint(path) == f"x.yaml:4: loss.lambda: expected a number ≥ 0; received {received}"


@pytest.mark.parametrize(
    ("text", "received"),
    [("2.0", "2.0; write 2"), ("true", "true"), ("'2'", "'2'; write it without quotes"), ("0", "0")],
)
def test_a_count_is_a_whole_number(write, text, received):
    path = write(f"data: {{name: mnist}}\ntrain:\n  epochs: {text}\n")
    assert complaint(path) == f"x.yaml:3: train.epochs: expected null or an integer ≥ 1; received {received}"


@pytest.mark.parametrize(
    ("text", "received"),
    [
        ("yes", "'yes'; write true"),
        ("Off", "'Off'; write false"),
        ("1", "1"),
        ("'true'", "'true'; write it without quotes"),
    ],
)
def test_only_true_and_false_are_booleans(write, text, received):
    path = write(MINIMAL + f"model:\n  batch_norm: {text}\n")
    assert complaint(path) == f"x.yaml:4: model.batch_norm: expected true or false; received {received}"


def test_lambda_in_the_terms_of_the_paper(write):
    path = write(MINIMAL)
    assert load_config(path, {"loss.lambda": 0.5}, settings=["train.batch_size=64"]).lambda_eq == 32.0
    assert load_config(path, {"loss.lambda": 0.5}, settings=["loss.reduction=mean"]).lambda_eq == 0.5


@pytest.mark.parametrize(
    ("length", "train_size", "steps"),
    [
        ({"epochs": 1}, 60_000, 600),
        ({"epochs": 3}, 150, 5),
        ({"epochs": 1}, 1, 1),
        ({"iterations": 7}, 60_000, 7),
    ],
)
def test_steps_of_a_run(length, train_size, steps):
    assert Train(**length).total_steps(train_size) == steps


def test_a_config_cannot_be_changed(write):
    config = load_config(write(MINIMAL))
    with pytest.raises(ValueError, match="frozen"):
        config.train.epochs = 3


# ---------------------------------------------------------------- what is wrong, and where


def test_all_problems_at_once_from_top_to_bottom(write):
    path = write(
        """\
        data:
          name: mnst
        model:
          feature_dim: 5000
          feature_dim: 3
        loss:
          alpha: 1.5
          seed: 1
        train:
          epochs: 0
          iterations: 10
          batchsize: 5
          optimizer: Adam
          momentum: 1
          device: gpus
        epochs: 3
        """
    )
    keys_of_train = (
        "epochs, iterations, batch_size, sampler, augment, optimizer, learning_rate, schedule, momentum, weight_decay, "
        "head_rate, precision, deterministic, seed, device, log_every, checkpoint_every, checkpoint_seconds, "
        "keep_best, early_stop, dump_every_epoch, dump_every, dump_train, tensorboard"
    )
    assert complaints(path) == [
        f"x.yaml:2: data.name: expected one of {DATA_SETS}; received 'mnst'; did you mean 'mnist'?",
        "x.yaml:4: model.feature_dim: expected an integer from 1 to 4096; received 5000",
        "x.yaml:5: model.feature_dim: given twice; first on line 4",
        "x.yaml:7: loss.alpha: expected a number from 0 to 1; received 1.5",
        "x.yaml:8: loss.seed: unknown key; did you mean 'train.seed'? "
        "Allowed here: head, term, lambda, alpha, center_update, reduction, centers_start, ramp",
        "x.yaml:10: train.epochs: expected null or an integer ≥ 1; received 0",
        f"x.yaml:12: train.batchsize: unknown key; did you mean 'batch_size'? Allowed here: {keys_of_train}",
        "x.yaml:13: train.optimizer: expected one of adam, sgd, muon; received 'Adam'; did you mean 'adam'?",
        "x.yaml:14: train.momentum: expected a number ≥ 0 and < 1; received 1",
        "x.yaml:15: train.device: expected auto, cpu, gpu or gpu:N; received 'gpus'",
        "x.yaml:16: epochs: unknown key; did you mean 'train.epochs'? "
        "Allowed here: data, model, loss, train, sweep, overrides",
    ]


def test_rules_between_values_are_found_beside_wrong_values(write):
    path = write(
        """\
        data: {name: mnist5k, validation: -1,
          dir: x}
        loss:
          ramp:
            start: 0.9
            end: 0.2
            from: 0
        train:
          batch_size: 0
          epochs: 3
          iterations: 100
        """
    )
    assert complaints(path) == [
        "x.yaml:1: data.validation: expected an integer ≥ 0; received -1",
        "x.yaml:2: data.dir: only for data that is read from files; mnist5k comes with a package: leave data.dir out, "
        "or set data.name to folder, npz, csv or idx for images of your own",
        "x.yaml:6: loss.ramp.end: start must be below end; received start 0.9, end 0.2",
        "x.yaml:7: loss.ramp.from: expected a number > 0; received 0",
        "x.yaml:9: train.batch_size: expected an integer ≥ 1; received 0",
        "x.yaml:11: train.iterations: give either epochs or iterations, not both",
    ]


def test_any_text_can_be_an_unknown_key(write):
    path = write(
        MINIMAL.replace("epochs: 2", "epochs: 2, <name>: 1, schedule: {milestones: [1], <milestones>: 1}")
        + "<x>: 1\n'': 2\nöçé: 3\n"
    )
    lines = complaints(path)
    assert [line[: line.index("unknown key")] for line in lines] == [
        "x.yaml:2: train.schedule.<milestones>: ",
        "x.yaml:2: train.<name>: ",
        "x.yaml:3: <x>: ",
        "x.yaml:4: ",
        "x.yaml:5: öçé: ",
    ]


def test_problems_can_be_used_by_a_program(write):
    with pytest.raises(ConfigError) as caught:
        load_config(write(MINIMAL + "loss:\n  alpha: 2\n"))
    message = "expected a number from 0 to 1; received 2"
    assert caught.value.problems == (Problem("x.yaml", 4, "loss.alpha", message),)


def test_missing_sections_and_keys(write):
    data = f"data: missing; expected a mapping with a name, one of {DATA_SETS}"
    assert complaints(write("\n# why\ntrain: {epochs: 1}\n")) == [f"x.yaml:3: {data}"]
    assert complaints(write("data: {}\ntrain: {batch_size: 1}\n")) == [
        f"x.yaml:1: data.name: missing; expected one of {DATA_SETS}",
        "x.yaml:2: train: give either epochs or iterations (an integer ≥ 1)",
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("{name: folder}", "data.dir: missing; expected the path of a folder or file"),
        (
            "{name: emnist}",
            "data.split: missing; expected one of letters, balanced, digits, mnist, byclass, bymerge",
        ),
        (
            "{name: mnist, size: [28, 28]}",
            "data.size: unknown key for this name; it belongs to folder, csv. "
            "Allowed here: name, dir, validation, exclude, memory, known, unknown",
        ),
        (
            "{name: folder, dir: x, size: [28]}",
            "data.size: expected null or a list of height and width, such as [28, 28]; received a list",
        ),
        (
            "{name: mnist, memory: 0}",
            "data.memory: expected a number of GiB, such as 0.5 or 8, or auto; received 0",
        ),
        (
            "{name: npz, dir: x, test_fraction: 1}",
            "data.test_fraction: expected null or a number > 0 and < 1; received 1",
        ),
    ],
)
def test_each_data_set_has_its_own_settings(write, data, message):
    assert complaint(write(f"data: {data}\ntrain: {{epochs: 1}}\n")) == f"x.yaml:1: {message}"


def test_sections_that_are_no_mappings(write):
    path = write("data: [mnist]\ntrain: {epochs: 1}\nloss: 3\noverrides: x\n")
    assert complaints(path) == [
        f"x.yaml:1: data: expected a mapping with a name, one of {DATA_SETS}; received a list",
        "x.yaml:3: loss: expected a mapping with the keys head, term, lambda, alpha, center_update, reduction, "
        "centers_start, ramp; received 3",
        "x.yaml:4: overrides: expected a list, each item a mapping with the keys when, set; received 'x'",
    ]


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (
            "constnt",
            "train.schedule: expected one of constant, one_cycle or a mapping with the keys milestones, factor; "
            "received 'constnt'; did you mean 'constant'?",
        ),
        ("{milestones: [5, 5]}", "train.schedule.milestones: milestones must increase strictly"),
        ("{milestones: [0, 5]}", "train.schedule.milestones[0]: expected an integer ≥ 1; received 0"),
        (
            "{factor: 2}",
            "train.schedule.milestones: missing; expected a non-empty list, each item an integer ≥ 1",
        ),
    ],
)
def test_schedules_that_are_none(write, schedule, message):
    path = write(f"data: {{name: mnist}}\ntrain:\n  epochs: 1\n  schedule: {schedule}\n")
    assert complaint(path) == f"x.yaml:4: {message}"


def test_the_sweep_section_is_checked_for_a_single_run_too(write):
    path = write(MINIMAL + "sweep:\n  lambda: [0, 0.1, 0.0]\n  alpha: []\n  seed:\n    - 1\n    - x\n")
    assert complaints(path) == [
        "x.yaml:4: sweep.lambda: 0.0 is there twice; the values of a sweep must differ",
        "x.yaml:5: sweep.alpha: expected null or a non-empty list, each item a number from 0 to 1; "
        "received an empty list",
        "x.yaml:8: sweep.seed[1]: expected an integer from 0 to 4294967295; received 'x'",
    ]


def test_received_values_cannot_disturb_the_terminal(write):
    path = write(
        'data:\n  name: "\\e[31mmnist"\nmodel:\n  "\\e[2J": 1\n'
        + f"train: {{epochs: 1, device: {'y' * 9000}}}\n"
    )
    lines = complaints(path)
    assert lines[0].endswith(r"received '\x1b[31mmnist'; did you mean 'mnist'?")
    assert lines[1].startswith(r"x.yaml:4: model.\x1b[2J: unknown key")
    assert lines[2].endswith("yyy…")
    assert all(line.isprintable() and len(line) < 400 for line in lines)


# ---------------------------------------------------------------- files that are no config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "",
            "x.yaml: the file is empty; a config has the sections data, model, loss, train, sweep, overrides",
        ),
        (
            "# nothing\n",
            "x.yaml: the file is empty; a config has the sections data, model, loss, train, sweep, overrides",
        ),
        (
            "\n- data\n",
            "x.yaml:2: expected a mapping with the sections data, model, loss, train, sweep, overrides; "
            "received a list",
        ),
        (
            "data:\n\tname: mnist\n",
            r"x.yaml:2: not valid YAML: found character '\t' that cannot start any token; "
            "indent with spaces, not tabs",
        ),
        ("data: {name: mnist\n", "x.yaml:2: not valid YAML: expected ',' or '}', but got '<stream end>'"),
        ("a: 1\nb: \0\n", r"x.yaml:2: not valid YAML: the character '\x00' is not allowed"),
        ('a: "\\UFFFFFFFF"\n', "x.yaml: not valid YAML: an escape or a version number in it is out of range"),
        (MINIMAL + "---\na: 1\n", "x.yaml:3: a second YAML document starts here; a config is one document"),
        (
            "data: !!python/object/apply:os.system [ls]\n",
            "x.yaml:1: the YAML tag '!!python/object/apply:os.system' is not supported; write a plain value",
        ),
        (b"data: {name: mnist}\n# \xe9\n", "x.yaml: not UTF-8 text (byte 0xe9 on line 2)"),
        (b"#" * 100_000, "x.yaml: larger than 32 KiB: this is no config"),
    ],
)
def test_files_that_are_no_config(write, text, message):
    assert complaint(write(text)) == message


def test_anchors_and_aliases_are_refused(write):
    assert complaints(write("data: &d {name: mnist}\ntrain: {<<: *d}\n")) == [
        "x.yaml:1: &d: anchors and aliases are not supported; write the values out",
        "x.yaml:2: *d: anchors and aliases are not supported; write the values out",
    ]


def test_keys_that_are_no_names(write):
    assert complaints(write(MINIMAL + "loss:\n  1: x\n  <<: {alpha: 1}\n  ? [a]\n  : 2\n")) == [
        "x.yaml:4: loss: a key must be text; received 1",
        "x.yaml:5: loss: merge keys (<<) are not supported; write the values out",
        "x.yaml:6: loss: a key must be text; received a list",
    ]


@pytest.mark.parametrize(
    "text", ["[" * 30_000, "{a: " * 7_500, "\n".join(" " * i + "a:" for i in range(200))]
)
def test_deep_nesting_is_refused_at_once(write, text):
    start = time.monotonic()
    assert complaint(write(text)).endswith(": nested more than 50 levels deep")
    assert time.monotonic() - start < 5


def test_an_alias_bomb_is_refused_at_once(write):
    levels = "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 20))
    start = time.monotonic()
    lines = complaints(write(f"a0: &a0 [x]\n{levels}"))
    assert lines[0] == "x.yaml:1: &a0: anchors and aliases are not supported; write the values out"
    assert time.monotonic() - start < 5


def test_files_that_cannot_be_opened(write):
    write(MINIMAL)
    assert complaint(Path("y.yaml")) == "y.yaml: no such file; did you mean x.yaml?"
    assert complaint(Path("far/y.yaml")) == "far/y.yaml: no such file"
    assert complaint(Path("x.yaml/y.yaml")) == "x.yaml/y.yaml: cannot be read: Not a directory"
    run = Path("run")
    run.mkdir()
    assert complaint(run) == "run: a folder; expected a YAML file"
    (run / "config.yaml").write_text(MINIMAL)
    assert complaint(run) == "run: a folder; expected a YAML file; did you mean run/config.yaml?"


def test_an_unreadable_file(write, monkeypatch):
    path = write(MINIMAL)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    # Not by its mode: for root every file is readable.
    monkeypatch.setattr(documents, "open_to_read", refuse)
    assert complaint(path) == "x.yaml: cannot be read (Permission denied): make it readable"


def test_a_byte_order_mark_and_windows_line_ends_are_fine(write):
    plain = load_config(write(MINIMAL))
    assert load_config(write(b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode())) == plain


# ---------------------------------------------------------------- flags, overrides, settings


def test_the_post_trains_lambda_1_for_longer(write):
    path = write(THE_POST)
    assert load_config(path).train.iterations == 16_000
    assert load_config(path, {"loss.lambda": 0.1}).train.iterations == 16_000
    assert load_config(path, {"loss.lambda": 1.0}).train.iterations == 25_000
    assert load_config(path, settings=["loss.lambda=1"]).train.iterations == 25_000


def test_what_wins(write):
    path = write(
        """\
        data: {name: mnist}
        loss: {lambda: 0.1, alpha: 0.1}
        train: {epochs: 1, seed: 1, device: cpu, batch_size: 10}
        overrides:
          - when: {loss.lambda: 0.5, train.seed: 2}
            set: {train.batch_size: 20, train.device: gpu:1, train.head_rate: 50}
          - when: {loss.alpha: 0.5}
            set: {train.batch_size: 30}
          - when: {loss.lambda: 0.5, train.seed: 3}
            set: {train.batch_size: 40}
        """
    )
    flags = {"loss.lambda": 0.5, "loss.alpha": 0.2, "train.seed": 2, "train.device": "gpu"}
    config = load_config(path, flags, settings=["train.head_rate=8"])
    assert (config.loss.lambda_, config.loss.alpha, config.train.seed) == (0.5, 0.2, 2)
    assert (config.train.batch_size, config.train.device) == (20, "gpu")
    assert config.train.head_rate == 8.0
    # Of two overrides that match, the later one wins.
    assert load_config(path, {**flags, "loss.alpha": 0.5}).train.batch_size == 30
    # All conditions of an override must hold.
    assert load_config(path, {"train.seed": 2}).train.batch_size == 10
    # A setting counts in the matching too.
    del flags["train.seed"]
    assert load_config(path, flags, settings=["train.seed=3"]).train.batch_size == 40


def test_a_flag_and_a_setting_of_the_same_key_are_refused(write):
    path = write(MINIMAL)
    with pytest.raises(ConfigError) as caught:
        load_config(path, {"loss.lambda": 2.0, "train.seed": 1}, settings=["loss.lambda=1", "train.epochs=2"])
    assert str(caught.value) == "--set loss.lambda=1: loss.lambda is also given by --lambda 2.0; give it once"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            ["train.epochs=2", "loss.alpha=0.1", "train.epochs=3"],
            "--set train.epochs=3: train.epochs is also given by --set train.epochs=2; give it once",
        ),
        (
            ["loss.ramp.start=0.1", "loss.ramp=null"],
            "--set loss.ramp=null: it would undo --set loss.ramp.start=0.1; give the two in one",
        ),
    ],
)
def test_two_settings_of_which_one_would_be_lost_are_refused(write, settings, message):
    with pytest.raises(ConfigError) as caught:
        load_config(write(MINIMAL), settings=settings)
    assert str(caught.value) == message


def test_an_override_is_matched_against_the_default_too(write):
    text = MINIMAL + "overrides: [{when: {loss.lambda: 0.01}, set: {train.batch_size: 7}}]\n"
    assert load_config(write(text)).train.batch_size == 7


def test_epochs_take_the_place_of_iterations(write):
    path = write(THE_POST)
    train = load_config(path, {"loss.lambda": 1.0}, settings=["train.epochs=4"]).train
    assert (train.epochs, train.iterations) == (4, None)
    train = load_config(write(MINIMAL), settings=["train.iterations=5"]).train
    assert (train.epochs, train.iterations) == (None, 5)
    train = load_config(write(MINIMAL + THE_POST[THE_POST.index("overrides") :]), {"loss.lambda": 1.0}).train
    assert (train.epochs, train.iterations) == (None, 25_000)


def test_what_a_caller_gives_takes_the_place_of_the_other_length_also_in_overrides(write):
    path = write(THE_POST)
    for given in (
        {"values": {"loss.lambda": 1.0, "train.epochs": 4}},
        {"settings": ["loss.lambda=1", "train.epochs=4"]},
    ):
        train = load_config(path, **given).train
        assert (train.epochs, train.iterations) == (4, None)
    assert load_config(write(MINIMAL), {"train.iterations": 5}).train.epochs is None
    assert load_config(path, settings=["train.epochs=4", "train.iterations=null"]).train.epochs == 4


@pytest.mark.parametrize(
    ("text", "given", "place"),
    [
        ("  iterations: 5\n", {"settings": ["train.epochs=4"]}, "x.yaml:4: train.iterations"),
        ("  iterations: 5\n", {"values": {"train.iterations": 4}}, "x.yaml:4: train.iterations"),
        (
            "",
            {"settings": ["train.epochs=4", "train.iterations=5"]},
            "--set train.iterations=5: train.iterations",
        ),
        ("", {"values": {"train.iterations": 4, "train.epochs": 5}}, "train.epochs=5: train.epochs"),
        (
            "",
            {"values": {"train.epochs": 5}, "settings": ["train.iterations=5"]},
            "--set train.iterations=5: train.",
        ),
    ],
)
def test_two_lengths_in_one_place_are_refused(write, text, given, place):
    path = write("data: {name: mnist}\ntrain:\n  epochs: 2\n" + text)
    with pytest.raises(ConfigError) as caught:
        load_config(path, **given)
    [problem] = caught.value.problems
    assert str(problem).startswith(place)
    assert problem.message == "give either epochs or iterations, not both"


def test_settings_reach_into_what_is_not_there_yet(write):
    ramp = load_config(write(MINIMAL), settings=["loss.ramp.start=0.2", "loss.ramp.from=1e0"]).loss.ramp
    assert ramp == Ramp.model_validate({"start": 0.2, "end": 0.7, "from": 1.0})


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("train.epochs=x", "train.epochs: expected null or an integer ≥ 1; received 'x'"),
        ("loss.lamda=1", "loss.lamda: unknown key; did you mean 'lambda'? Allowed here: "),
        ("trian.epochs=1", "trian: unknown key; did you mean 'train'? Allowed here: "),
        (
            "loss.ramp.strat=1",
            "loss.ramp.strat: unknown key; did you mean 'start'? Allowed here: start, end, from",
        ),
        ("loss.ramp.start=0.8", "loss.ramp.start: start must be below end; received start 0.8, end 0.7"),
        ("train.epochs=null", "train.epochs: give either epochs or iterations (an integer ≥ 1)"),
        ("train.epochs=[1", "not valid YAML: expected ',' or ']', but got '<stream end>'"),
        ("train.epochs=", "train.epochs: no value after '='; write null for none"),
        ("train.epochs", "expected section.key=value; for example train.epochs=4"),
        ("epochs=3", "expected section.key=value; did you mean train.epochs=3?"),
        ("overrides.x=3", "overrides belong in the file; --set wins over them for any key"),
        ("train.schedule={factor: 1, factor: 2}", "factor: given twice"),
        ("train.device=&a cpu", "&a: anchors and aliases are not supported; write the values out"),
        ("sweep.lambda=[0,-1]", "sweep.lambda[1]: expected a number ≥ 0; received -1"),
    ],
)
def test_settings_that_are_wrong_are_located_on_the_command_line(write, setting, message):
    assert complaint(write(MINIMAL), settings=[setting]).startswith(f"--set {setting}: {message}")


@pytest.mark.parametrize(
    ("setting", "hint"),
    [
        ("train.batch_size=32,64", "cl sweep --grid train.batch_size=32,64"),
        ("train.batch_size=[32,64]", "cl sweep --grid train.batch_size=32,64"),
        ("train.optimizer=adam,sgd", "cl sweep --grid train.optimizer=adam,sgd"),
        ("model.batch_norm=true,false", "cl sweep --grid model.batch_norm=true,false"),
        ("loss.term=center,none", "cl sweep --grid loss.term=center,none"),
        ("loss.alpha=1,2", "decimals have a point; several values need a sweep: cl sweep --alpha 1,2"),
        ("train.seed=0,1,2", "cl sweep --seed 0,1,2"),
        ("model.channels=[8,16,16],[4,8,8]", "cl sweep --grid 'model.channels=[8,16,16],[4,8,8]'"),
        ("model.channels=8,16,16", "; write [8,16,16]"),
        ("model.channels=8", "one for each stage, such as [32, 64, 128]; received 8"),
        ("train.iterations=16,000", "; write 16000"),
        ("train.optimizer=adam,sdg", "; did you mean 'adam'?"),
        ("train.batch_size=32,", "received '32,'"),
    ],
)
def test_several_values_for_one_setting_are_answered_with_the_option_of_a_sweep(write, setting, hint):
    line = complaint(write(MINIMAL), settings=[setting])
    assert line.endswith(hint)
    assert ("need a sweep" in line) == ("cl sweep" in hint)


def test_flags_that_are_wrong_come_after_the_file(write):
    path = write(MINIMAL + "loss: {reduction: none}\n")
    flags = {"loss.lambda": float("nan"), "loss.alpha": 1.5, "train.seed": -1, "train.device": "tpu"}
    lines = complaints(path, flags, settings=["train.epochs=0"])
    assert lines[0] == ("x.yaml:3: loss.reduction: expected one of sum, mean; received 'none'")
    assert sorted(lines[1:]) == [
        "--alpha 1.5: loss.alpha: expected a number from 0 to 1; received 1.5",
        "--device tpu: train.device: expected auto, cpu, gpu or gpu:N; received 'tpu'",
        "--lambda nan: loss.lambda: expected a number ≥ 0; received nan; it must be finite",
        "--seed -1: train.seed: expected an integer from 0 to 4294967295; received -1",
        "--set train.epochs=0: train.epochs: expected null or an integer ≥ 1; received 0",
    ]


def test_overrides_are_checked_whether_they_match_or_not(write):
    path = write(
        MINIMAL
        + """\
overrides:
  - when: {loss.lamda: 1}
    set:
      train.iterations: 0
      train.epochs: 2
  - when: {}
    set:
      loss.lambda: 1
      train.batchsize: 3
      iterations: 4
      sweep.alpha: [1]
  - set: {}
  - when: {loss.lambda: -1, train.log_every: 5}
    set: {train.log_every: 3}
  - when: {variant: small}
    set: {loss.head: hard}
"""
    )
    lines = complaints(path)
    assert [line[: line.index(";")] if ";" in line else line for line in lines] == [
        "x.yaml:4: overrides[0].when.loss.lamda: unknown key",
        "x.yaml:6: overrides[0].set.train.iterations: expected null or an integer ≥ 1",
        "x.yaml:7: overrides[0].set.train.epochs: give either epochs or iterations, not both",
        "x.yaml:8: overrides[1].when: expected a mapping such as {loss.lambda: 1.0}",
        "x.yaml:10: overrides[1].set.loss.lambda: an override cannot set what overrides are chosen by",
        "x.yaml:11: overrides[1].set.train.batchsize: unknown key",
        "x.yaml:12: overrides[1].set.iterations: expected a dotted key such as train.iterations",
        "x.yaml:13: overrides[1].set.sweep.alpha: an override cannot set the section sweep",
        "x.yaml:14: overrides[2].when: missing",
        "x.yaml:14: overrides[2].set: expected a mapping such as {train.iterations: 25000}",
        "x.yaml:15: overrides[3].when.loss.lambda: expected a number ≥ 0",
        "x.yaml:16: overrides[3].set.train.log_every: an override cannot set what overrides are chosen by",
        "x.yaml:17: overrides[4].when.variant: the sweep has no variants",
        f"x.yaml:18: overrides[4].set.loss.head: expected one of {HEADS}, or a mapping {{name: …}}",
    ]


@pytest.mark.parametrize(
    ("when", "matches"),
    [
        ("model.batch_norm: true", True),
        ("train.epochs: 2, loss.ramp: null", True),
        ("loss.term: center", True),
        ("loss.term: none", False),
        ("loss.ramp.start: 0.1", False),
        ("train.iterations: null", True),
        ("model.channels: [32, 64, 128]", True),
        ("data.name: digits8", False),
    ],
)
def test_an_override_asks_for_any_setting(write, when, matches):
    path = write(MINIMAL + f"overrides: [{{when: {{{when}}}, set: {{train.batch_size: 7}}}}]\n")
    assert (load_config(path).train.batch_size == 7) == matches


def test_settings_of_a_head_keep_its_name(write):
    path = write(MINIMAL + "loss: {term: center}\n")
    line = complaint(path, ["loss.term.marign=3"])
    assert line == "--set loss.term.marign=3: loss.term.marign: unknown key. Allowed here: name"


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (
            "{term: cent}",
            f"loss.term: expected one of {TERMS}, or a mapping {{name: …}}; received 'cent'; did you mean 'center'?",
        ),
        (
            "{term: {x: 1}}",
            f"loss.term.name: missing; expected one of {TERMS}",
        ),
        (
            "{term: {name: cent}}",
            f"loss.term.name: expected one of {TERMS}; received 'cent'; did you mean 'center'?",
        ),
        (
            "{term: {name: none, lambda: 1}}",
            "loss.term.lambda: unknown key; did you mean 'loss.lambda'? Allowed here: name",
        ),
        (
            "{term: {name: triplet, margin: soft}}",
            "loss.term.margin: expected a number > 0 or softplus; received 'soft'",
        ),
        (
            "{head: 3}",
            f"loss.head: expected one of {HEADS}, or a mapping {{name: …}}; received 3",
        ),
    ],
)
def test_a_head_and_a_term_are_a_name_or_a_mapping(write, loss, message):
    assert complaint(write(MINIMAL + f"loss: {loss}\n")) == f"x.yaml:3: {message}"


def test_a_document_is_not_changed_by_resolving_it(write):
    document = load_document(write(THE_POST))
    first = resolve(document, {"loss.lambda": 1.0}, settings=["loss.ramp.start=0.3", "train.epochs=1"])
    assert (first.train.epochs, first.loss.ramp) == (1, Ramp(start=0.3))
    second = resolve(document)
    assert (second.train.iterations, second.loss.lambda_, second.loss.ramp) == (16_000, 0.01, None)


# ---------------------------------------------------------------- writing


def test_a_dumped_config_is_complete_and_loads_as_itself(write):
    settings = [
        "train.learning_rate=1e-5",
        "loss.alpha=0.1234567890123456789",
        "train.schedule={milestones: [10, 20], factor: 0.3}",
        "loss.ramp.start=1e-9",
        "data.dir='söme: #where'",
        "train.weight_decay=5e-324",
        "train.momentum=0.30000000000000004",
    ]
    config = load_config(write(THE_POST), {"loss.lambda": 1.0, "train.seed": 2**32 - 1}, settings=settings)
    text = dump_yaml(config)
    assert load_config(write(text)) == config
    assert dump_yaml(load_config(write(text))) == text


def test_muon_has_no_l2(write):
    path = write("data: {name: mnist}\ntrain: {epochs: 1, optimizer: muon, weight_decay: 5e-4}\n")
    assert complaint(path) == (
        "x.yaml:2: train.weight_decay: muon takes only the direction of a gradient, so L2 added to it has no strength: "
        "set it to 0, or take adam or sgd"
    )


def test_the_text_of_a_dumped_config(write):
    assert dump_yaml(load_config(write(THE_POST), {"loss.lambda": 1.0})) == textwrap.dedent(
        """\
        data:
          name: mnist
          dir: null
          validation: 0
          exclude: null
          memory: auto
          known: null
          unknown: null
        model:
          name: lenets_plus_plus
          channels: [32, 64, 128]
          feature_dim: 2
          feature_activation: prelu
          batch_norm: true
          prelu_start: 0.25
          initializer: he_normal
          head_bias: true
          head_start: random
          input_scaling: unit
        loss:
          head: softmax
          term: center
          lambda: 1.0
          alpha: 0.5
          center_update: eq4
          reduction: sum
          centers_start: zeros
          ramp: null
        train:
          epochs: null
          iterations: 25000
          batch_size: 100
          sampler: null
          augment: null
          optimizer: adam
          learning_rate: 0.001
          schedule: constant
          momentum: 0.9
          weight_decay: 0.0
          head_rate: 1.0
          precision: auto
          deterministic: true
          seed: 0
          device: auto
          log_every: 50
          checkpoint_every: null
          checkpoint_seconds: 10.0
          keep_best: null
          early_stop: null
          dump_every_epoch: true
          dump_every: null
          dump_train: 2000
          tensorboard: false
        """
    )


def test_a_data_folder_is_found_from_anywhere(write, tmp_path, monkeypatch):
    path = write("data: {name: mnist, dir: digits}\ntrain: {epochs: 1}\n")
    assert load_config(path).data.dir == str(tmp_path / "digits")
    monkeypatch.setenv("HOME", "/home/someone")
    assert load_config(path, settings=["data.dir=~/digits"]).data.dir == "/home/someone/digits"
    assert load_config(path, settings=["data.dir=x/../digits/."]).data.dir == str(tmp_path / "digits")
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "link").symlink_to("far/away")
    there = load_config(path, settings=["data.dir=link/../digits"]).data.dir
    assert there == str(tmp_path / "link" / ".." / "digits")  # which is far/digits


@pytest.mark.parametrize(
    ("given", "channels", "batch_norm"),
    [
        ("{}", (32, 64, 128), True),
        ("{name: resnet18}", (64, 128, 256, 512), True),
        ("{name: face_resnet}", (32, 64, 128, 256, 512), False),
        ("{name: face_resnet, batch_norm: true, channels: [1, 2, 3, 4, 5]}", (1, 2, 3, 4, 5), True),
    ],
)
def test_a_network_brings_its_own_defaults(write, given, channels, batch_norm):
    model = load_config(write(MINIMAL + f"model: {given}\n")).model
    assert (model.channels, model.batch_norm) == (channels, batch_norm)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            "{name: resnet}",
            "model.name: expected one of lenets_plus_plus, resnet18, face_resnet; received 'resnet'; "
            "did you mean 'resnet18'?",
        ),
        (
            "{name: resnet18, channels: [32, 64, 128]}",
            "model.channels: resnet18 has 4 stages, so channels is a list of 4 integers, such as "
            "[64, 128, 256, 512]; received 3",
        ),
        (
            "{channels: [32, 64, 0]}",
            "model.channels[2]: expected an integer from 1 to 4096; received 0",
        ),
    ],
)
def test_what_no_network_has_is_refused(write, given, message):
    assert complaint(write(MINIMAL + f"model: {given}\n")) == f"x.yaml:3: {message}"

"""Config files that a stranger wrote: there is a config or a ConfigError, and nothing else happens.

Documents are drawn from a config's own words, with mistakes: a text of random characters would never get past the
parser. `make slow` draws a hundred thousand, each within a second.
"""

import gc
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shell import BY_A_SHELL

from centerloss_core.config import (
    Config,
    ConfigError,
    ConfigFile,
    Data,
    Document,
    Flags,
    Grid,
    Loss,
    Milestones,
    Model,
    Override,
    Ramp,
    Sweep,
    Train,
    load_config,
    load_document,
    parse_flags,
    resolve,
    resolve_sweep,
)
from centerloss_core.training.schedules import lambda_in_force, learning_rate

VALID = "data: {name: mnist5k}\ntrain: {epochs: 1}\n"
MODELS = (ConfigFile, Data, Loss, Milestones, Model, Override, Ramp, Sweep, Train)

# ---- what documents are made of

NAMES = sorted({field.alias or name for model in MODELS for name, field in model.model_fields.items()})
SECTIONS = list(ConfigFile.model_fields)
DOTTED = [
    f"{section}.{field.alias or name}"
    for section, model in (("data", Data), ("model", Model), ("loss", Loss), ("train", Train))
    for name, field in model.model_fields.items()
]
PLAIN_WORDS = r"""
mnist mnist5k adam muon one_cycle sum mean circle auto cpu gpu:0 float32 true False yes null ~ none .nan .inf -.INF
1e400 -1e-400 0 1 -1 007 0x10 1_000 1:30 0.5 1e-4 '1' "4" 2026-11-23 /etc/passwd ../../x ~root ~nobody-knows/x $HOME
`id` $(id) λ = [ ] { } , : # % @ ` ' " --- ... << \ *a "\x1b[2J" "\uD800" "\U0010FFFF" "\UFFFFFFFF" "\0"
"""
SENTENCES = """
&a 1
&a [*a]
!!python/object/apply:os.system ['touch marker']
!!python/name:os.system
!!binary aGk=
!!int 1
!!set {a}
!!timestamp 2026-11-23
!foo 1
!<tag:yaml.org,2002:float> 1
! 1
- 1
? a
"""
ODD_TEXTS = (
    "",
    "\t1",
    "\x07",
    "'\x1b[2J'",
    "\ufeff",
    "\x85",
    "\r",
    "\u202e",
    "\u2028",
    "\U0001f600",
    "|\n  a",
    ">-\n  b",
)
LONG_TEXTS = ("9" * 19, "9" * 5000, "1" * 400 + ".5", "x" * 3000)
WORDS = (*PLAIN_WORDS.split(), *SENTENCES.splitlines(), *ODD_TEXTS, *LONG_TEXTS)
ODD_KEYS = r"""<<
? [a]
? {a: b}
1
null
true
.nan
"\uD800"
"train.\uDFFF"
"train.\a"
""".splitlines()


@st.composite
def near_misses(draw: st.DrawFn) -> str:
    """A known key with one letter gone, or two of them run together."""
    name = draw(st.sampled_from(NAMES))
    cut = draw(st.integers(0, len(name)))
    return name[:cut] + draw(st.sampled_from(["", "_", "-", ".", " ", "\\", *NAMES[:5]])) + name[cut + 1 :]


KEYS = st.one_of(
    st.sampled_from(NAMES),
    st.sampled_from(DOTTED),
    near_misses(),
    st.sampled_from(ODD_KEYS),
    st.integers(1, 2000).map(lambda depth: "train" + ".a" * depth),
)
SCALARS = st.one_of(
    st.sampled_from(WORDS),
    st.integers().map(str),
    st.floats().map(repr),
    st.text(max_size=12).map(repr),
    st.text(st.characters(), max_size=8),
)


def flow_mapping(items: list[tuple[str, str]]) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in items) + "}"


def containers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.lists(inner, max_size=6).map(lambda items: "[" + ", ".join(items) + "]"),
        st.lists(st.tuples(KEYS, inner), max_size=6).map(flow_mapping),
    )


VALUES = st.recursive(SCALARS, containers, max_leaves=10)
SECTION_LINES = st.tuples(KEYS, VALUES).map(lambda item: f"  {item[0]}: {item[1]}\n")
OVERRIDES = st.tuples(
    st.lists(
        st.tuples(st.one_of(st.sampled_from(["loss.lambda", "variant", *DOTTED]), KEYS), SCALARS), max_size=2
    ),
    st.lists(st.tuples(st.one_of(st.sampled_from(DOTTED), KEYS), VALUES), max_size=4),
).map(lambda parts: f"  - when: {flow_mapping(parts[0])}\n    set: {flow_mapping(parts[1])}\n")
SETTINGS_OF_AXES = st.tuples(st.one_of(st.sampled_from(DOTTED), KEYS), VALUES)
BLOCKS = st.one_of(
    st.lists(st.tuples(SETTINGS_OF_AXES, SETTINGS_OF_AXES), max_size=3).map(
        lambda axes: (
            f"grid: {flow_mapping([(key, f'[{value}, {other}]') for (key, value), (_, other) in axes])}"
        )
    ),
    st.lists(st.lists(SETTINGS_OF_AXES, max_size=3), max_size=3).map(
        lambda bundles: (
            f"variants: {flow_mapping([(f'v{n}', flow_mapping(each)) for n, each in enumerate(bundles)])}"
        )
    ),
    SETTINGS_OF_AXES.map(": ".join),
)
SWEEPS = st.lists(BLOCKS, min_size=1, max_size=3).map(
    lambda blocks: (
        f"sweep: {{{blocks[0]}}}\n" if len(blocks) == 1 else f"sweep: [{{{'}, {'.join(blocks)}}}]\n"
    )
)
BULKY = st.one_of(
    st.sampled_from([100, 1000]).map(lambda runs: f"sweep: {{lambda: [0], seed: {list(range(runs))}}}\n"),
    st.integers(1, 10)
    .map(lambda each: (list(range(each)), [number / 10 for number in range(each)]))
    .map(lambda axes: f"sweep: {{lambda: {axes[0]}, alpha: {axes[1]}, seed: {axes[0]}}}\n"),
    st.sampled_from([5, 1000, 3000]).map(
        lambda steps: f"train: {{epochs: 1, schedule: {{milestones: {list(range(1, steps))}}}}}\n"
    ),
    st.tuples(st.lists(OVERRIDES, min_size=1, max_size=3), st.integers(1, 30)).map(
        lambda parts: f"overrides:\n{''.join(parts[0]) * parts[1]}"
    ),
)


@st.composite
def bulky(draw: st.DrawFn) -> str:
    """A section of a small file that asks for much: many runs, overrides of many, long lists. One choice of many."""
    return draw(BULKY)


SECTIONS_OF_A_FILE = st.one_of(
    st.tuples(st.sampled_from(SECTIONS), st.lists(SECTION_LINES, max_size=5)).map(
        lambda parts: f"{parts[0]}:\n{''.join(parts[1])}"
    ),
    st.tuples(KEYS, VALUES).map(lambda item: f"{item[0]}: {item[1]}\n"),
    st.lists(OVERRIDES, min_size=1, max_size=3).map(lambda items: f"overrides:\n{''.join(items)}"),
    st.lists(st.sampled_from(["0", "1e-3", "0.1", "1", "1.0", ".inf", "x"]), max_size=5).map(
        lambda items: f"sweep: {{lambda: [{', '.join(items)}]}}\n"
    ),
    st.just(f"sweep: {{lambda: [0], seed: {list(range(8))}}}\n"),
    SWEEPS,
    bulky(),
)
EXTRAS = st.sampled_from(
    [
        "---\n",
        "...\n",
        "--- a\n--- b\n",
        "%YAML 1.1\n---\n",
        "%YAML 99999999999999999999.1\n---\n",
        "%TAG ! tag:yaml.org,2002:python/\n---\n",
        "base: &base {epochs: 1}\ntrain: {<<: *base}\n",
        "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n",
        "\tepochs: 1\n",
        "# only words\n",
        "train: {epochs: 2}\n",
        "x: " + "[" * 3000 + "\n",
        "x: " + "{a: " * 60 + "1" + "}" * 60 + "\n",
        "- " * 2000 + "\n",
        "? " * 2000 + "\n",
        "x: " + "[" * 49 + "]" * 49 + "\n",
        "k: 1\n" * 50,
    ]
)


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    """A config file as bytes: a good beginning, sections with mistakes, and now and then bytes that are no text."""
    parts = draw(st.lists(st.one_of(SECTIONS_OF_A_FILE, SECTIONS_OF_A_FILE, EXTRAS), max_size=5))
    if draw(st.booleans()):
        parts.insert(draw(st.integers(0, len(parts))), VALID)
    content = "".join(parts).encode("utf-8", "surrogatepass")
    damage = draw(st.integers(0, 11))
    if damage == 0:
        place = draw(st.integers(0, len(content)))
        content = content[:place] + draw(st.binary(min_size=1, max_size=6)) + content[place:]
    elif damage == 1:
        content = content[: draw(st.integers(0, len(content)))]
    elif damage == 2:
        encoding = draw(st.sampled_from(["utf-16", "utf-16-be", "utf-32", "utf-8-sig"]))
        content = content.decode("utf-8", "replace").encode(encoding)
    return content


ASSIGNMENTS = st.one_of(
    st.tuples(st.one_of(st.sampled_from(DOTTED), KEYS), st.sampled_from(["=", "", " = ", "=="]), VALUES).map(
        "".join
    ),
    st.tuples(st.sampled_from(SECTIONS), KEYS, VALUES).map(lambda parts: f"{parts[0]}.{parts[1]}={parts[2]}"),
    st.integers(1, 3000).map(lambda depth: "loss" + ".ramp" * depth + "=1"),
    st.text(
        st.characters(), max_size=30
    ),  # also lone surrogates: what Python makes of bytes in a command line
)

# ---- the property


def assert_config_or_refusal(call: Callable[[], object]) -> bool:
    """Whether there was a config; a ConfigError must say something, in characters that a terminal takes."""
    refused: ConfigError | None = None
    try:
        result = call()
    except ConfigError as error:
        refused = error
    if refused is None:
        configs = [point.config for point in result.points] if isinstance(result, Grid) else [result]
        assert all(isinstance(config, Config) for config in configs)
        return True
    lines = str(refused).splitlines()
    assert all(line.isprintable() for line in lines), lines
    assert len(lines) == len(refused.problems) > 0
    return False


def check_file(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert_config_or_refusal(lambda: load_config(path))
    assert_config_or_refusal(lambda: resolve_sweep(load_document(path)))


def check_settings(valid: Document, path: Path, texts: list[str]) -> None:
    assert_config_or_refusal(lambda: load_config(path, settings=texts))
    assert_config_or_refusal(lambda: resolve_sweep(valid, Flags(settings=texts)))
    assert_config_or_refusal(lambda: resolve_sweep(valid, parse_flags({}, texts)))


def quietly(examples: int, *, repeatable: bool = True) -> Any:
    """The same documents every time, unless many are asked for; nothing is kept on disk between two runs."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=repeatable,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile") / "x.yaml"


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> Document:
    path = tmp_path_factory.mktemp("valid") / "valid.yaml"
    path.write_text(VALID)
    return load_document(path)


@quietly(100)
@given(content=documents())
def test_any_document_is_a_config_or_refused(path: Path, content: bytes) -> None:
    check_file(path, content)


@quietly(150)
@given(texts=st.lists(ASSIGNMENTS, min_size=1, max_size=3))
def test_any_setting_is_a_config_or_refused(valid: Document, texts: list[str]) -> None:
    check_settings(valid, valid.path, texts)


@contextmanager
def a_second_at_most() -> Iterator[None]:
    """Of the processor's time: what else the machine does meanwhile is not the config's fault.

    Nor is collecting the garbage of a hundred thousand drawn documents, which takes Python seconds at a time.
    """
    gc.disable()
    began = time.process_time()
    yield
    taken = time.process_time() - began
    gc.enable()
    assert taken < 1


@pytest.mark.slow
@quietly(70_000, repeatable=False)
@given(content=documents())
def test_many_documents_each_within_a_second(path: Path, content: bytes) -> None:
    with a_second_at_most():
        check_file(path, content)


@pytest.mark.slow
@quietly(30_000, repeatable=False)
@given(texts=st.lists(ASSIGNMENTS, min_size=1, max_size=3))
def test_many_settings_each_within_a_second(valid: Document, texts: list[str]) -> None:
    with a_second_at_most():
        check_settings(valid, valid.path, texts)


def test_what_is_drawn_is_not_all_refused(path: Path) -> None:
    """Documents that never are a config would prove little."""
    outcomes: list[bool] = []

    @quietly(60)
    @given(content=documents())
    def look(content: bytes) -> None:
        path.write_bytes(content)
        outcomes.append(assert_config_or_refusal(lambda: load_config(path)))

    look()
    assert 1 <= sum(outcomes) < len(outcomes)


# ---- found by drawing, kept


def refusal(path: Path, text: str, settings: list[str] | None = None) -> str:
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path, settings=settings or [])
    return str(caught.value)


@pytest.mark.parametrize("depth", [60, 500, 10_000])
def test_a_key_of_thousands_of_parts_is_no_deep_mapping(path: Path, depth: int) -> None:
    key = "train" + ".a" * depth
    message = refusal(path, VALID, [f"{key}=1"])
    assert message.startswith("--set train.a.a")
    assert "nested more than 50 levels deep" in message
    override = f"overrides:\n- when: {{train.seed: 0}}\n  set: {{? {key} : 1}}\n"
    assert "nested more than 50 levels deep" in refusal(path, VALID + override)
    swept = f"sweep:\n  ? {key}\n  : 1\n"
    assert "unknown key" in refusal(path, VALID + swept)


def test_overrides_have_an_end(path: Path) -> None:
    """Each is looked at for each of up to a thousand runs."""
    override = "- {when: {train.seed: 0}, set: {train.epochs: 2}}\n"
    path.write_text(VALID + "overrides:\n" + override * 100)
    assert load_config(path).train.epochs == 2
    message = refusal(path, VALID + "overrides:\n" + override * 101)
    assert message == f"{path}:104: overrides: more than 100 values are set by overrides"


RUNS = "sweep: {lambda: [0], seed: [" + ", ".join(map(str, range(1000))) + "]}\n"
AXES = (
    "sweep: {lambda: [1, 2, 3, 4, 5, 6], alpha: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], seed: [1, 2, 3, 4, 5, 6]}\n"
)
STEPS = ", ".join(map(str, range(1, 1001)))


def overrides(*items: tuple[str, str]) -> str:
    return "overrides:\n" + "".join(f"- {{when: {{{when}}}, set: {{{values}}}}}\n" for when, values in items)


def of_each_axis(values: str) -> list[tuple[str, str]]:
    axes = (("loss.lambda", ""), ("loss.alpha", "0."), ("train.seed", ""))
    return [(f"{key}: {point}{value}", values) for key, point in axes for value in range(1, 6)]


ALL = "loss.alpha: 0.5"
MANY_RUNS = {
    "1000 seeds": (VALID + RUNS, "1000"),
    "1000 milestones": (
        f"data: {{name: mnist5k}}\ntrain: {{epochs: 1, schedule: {{milestones: [{STEPS}]}}}}\n" + RUNS,
        "1000",
    ),
    "50 overrides": (
        VALID
        + RUNS
        + overrides(*((ALL, f"train.learning_rate: 0.{n}, train.log_every: 1") for n in range(1, 51))),
        "1000",
    ),
    "unknown keys": (
        VALID + RUNS + overrides((ALL, ", ".join(f"train.x{n}: 1" for n in range(89)))),
        "unknown key",
    ),
    "an override for each of 90": (
        VALID + RUNS + overrides(*((f"train.seed: {n}", "train.batch_size: 2") for n in range(90))),
        "1000",
    ),
    "a mistake for each of 90": (
        VALID + RUNS + overrides(*((f"train.seed: {n}", f"train.seed: {n}") for n in range(90))),
        "chosen by",
    ),
    "overrides of milestones": (
        VALID + RUNS + overrides(*[(ALL, f"train.schedule: {{milestones: {list(range(1, 15))}}}")] * 100),
        "1000",
    ),
    "216 different configs": (VALID + AXES + overrides(*of_each_axis("train.batch_size: 2")), "216"),
    "a variant of many settings": (
        VALID
        + RUNS.replace(
            "lambda: [0]", "variants: {a: {" + ", ".join(f"? {key} : 1" for key in ["x.y"] * 400) + "}}"
        ),
        "given twice",
    ),
    "unknown keys of a grid": (
        VALID + "sweep: {grid: {" + ", ".join(f"train.x{n}: [1]" for n in range(900)) + "}}",
        "unknown key",
    ),
    "one milestone too many": (
        f"data: {{name: mnist5k}}\ntrain: {{epochs: 1, schedule: {{milestones: [{STEPS}, 2001]}}}}\n" + RUNS,
        "1001 milestones; at most 1000",
    ),
    "5,499 milestones": (
        f"data: {{name: mnist5k}}\ntrain: {{epochs: 1, schedule: {{milestones: {list(range(1, 5500))}}}}}\n".replace(
            ", ", ","
        )
        + RUNS,
        "too many keys and values",
    ),
}


@pytest.mark.parametrize(("text", "outcome"), MANY_RUNS.values(), ids=MANY_RUNS)
def test_a_thousand_runs_take_no_longer_than_their_configs_differ(
    path: Path, text: str, outcome: str
) -> None:
    path.write_text(text)
    with a_second_at_most():
        try:
            reached = str(len(resolve_sweep(load_document(path)).points))
        except ConfigError as error:
            reached = str(error)
    assert outcome in reached


def test_each_of_a_thousand_runs_is_the_config_that_it_is_alone(path: Path) -> None:
    """Runs of a sweep share what they have in common; what each is must not depend on the others."""
    path.write_text(
        VALID
        + AXES
        + overrides(*of_each_axis("train.batch_size: 2")[:8], ("train.seed: 6", "train.epochs: 3"))
    )
    document = load_document(path)
    for point in resolve_sweep(document).points[::7]:
        assert point.config == resolve(document, point.settings)


def test_a_thousand_runs_of_a_broken_file_do_not_repeat_its_problems(path: Path) -> None:
    runs = "sweep: {lambda: [0], seed: [" + ", ".join(map(str, range(1000))) + "]}\n"
    path.write_text(VALID + runs + "".join(f"key{number}: 1\n" for number in range(1500)))
    with pytest.raises(ConfigError) as caught:
        resolve_sweep(load_document(path))
    assert len(caught.value.problems) == 1500


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("loss.lambda=1e308", "loss.lambda: at most 1e+30: losses and weights are float32"),
        ("sweep.lambda=[0, 1e31]", "sweep.lambda[1]: at most 1e+30"),
        ("train.learning_rate=1e300", "train.learning_rate: at most 1e+30"),
        (
            "train.batch_size=1000000000000000000",
            "train.batch_size: at most 1e+09: no data set has so many images",
        ),
        ("train.epochs=1000000000000000000", "train.epochs: at most 1e+09: no run is that long"),
        (
            "train.schedule={milestones: [1, 2], factor: 1e20}",
            "train.schedule: after 2 milestones the rate",
        ),
        ("train.schedule={milestones: [1, 2], factor: 1e200}", "train.schedule.factor: at most 1e+30"),
    ],
)
def test_numbers_have_an_end_that_is_said(path: Path, setting: str, reason: str) -> None:
    """Else JSON without infinity, and powers beyond a float, would end in a traceback."""
    assert reason in refusal(path, VALID, [setting])


def test_the_largest_numbers_have_a_rate_and_a_weight_at_every_step(path: Path) -> None:
    path.write_text(VALID)
    config = load_config(
        path,
        {"loss.lambda": 1e30},
        settings=[
            "train.epochs=null",
            "train.iterations=1000000000",
            "train.batch_size=60000",
            "train.learning_rate=1e30",
            f"train.schedule={{milestones: [{STEPS}], factor: 1.07}}",
            "loss.ramp={from: 1e30}",
        ],
    )
    assert config.lambda_eq is None or math.isfinite(config.lambda_eq)
    steps = (0, 1, 500, 10**9 - 1)
    assert all(math.isfinite(learning_rate(config.train, step, 10**9)) for step in steps)
    assert all(math.isfinite(lambda_in_force(config.loss, step, 10**9)) for step in steps)


# ---- the nastiest, in a process of its own

OVERRIDE = VALID + "overrides:\n- when: {train.seed: 0}\n  set:\n"
NASTIEST = {
    "alias bomb": "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)),
    "merge bomb": "a0: &a0 {x: 1}\n"
    + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 40)),
    "an alias of itself": "a: &a [*a]\n",
    "100,000 brackets": "a: " + "[" * 100_000,
    "30,000 brackets": "a: " + "[" * 30_000,
    "30,000 braces": "a: " + "{" * 30_000,
    "15,000 dashes": "- " * 15_000,
    "15,000 question marks": "? " * 15_000,
    "deep mappings": "".join(f"{' ' * n}a:\n" for n in range(300)),
    "a scalar of 10 MB": "a: " + "x" * 10_000_000,
    "a scalar of 30 kB": "a: " + "x" * 30_000,
    "a key of 12,000 parts": OVERRIDE + "    ? train" + ".a" * 12_000 + "\n    : 1\n",
    "6,000 keys": VALID + "a: 1\n" * 6_000,
    "10,000 empty mappings": VALID + "x: [" + "{}," * 10_000 + "]\n",
    "a number of 30,000 digits": VALID.replace("1}", "9" * 30_000 + "}"),
    "a power of 30,000 digits": VALID.replace("1}", "1e" + "9" * 30_000 + "}"),
    "zeros": "\0" * 30_000,
}

CHILD = """
import resource, sys
from pathlib import Path
from centerloss_core.config import ConfigError, load_config, load_document, resolve_sweep

resource.setrlimit(resource.RLIMIT_CPU, (120, 120))
for path in sorted(Path(sys.argv[1]).iterdir()):
    for call in (load_config, lambda path: resolve_sweep(load_document(path))):
        try:
            call(path)
        except ConfigError as error:
            assert str(error).startswith(str(path)), error
        else:
            raise SystemExit(f"{path} was taken for a config")
loaded = [name for name in ("tensorflow", "jax", "keras", "numpy", "evil") if name in sys.modules]
assert not loaded, loaded
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def in_a_child(code: str, folder: Path) -> str:
    root = Path(__file__).parent.parent
    child = subprocess.run(
        [*BY_A_SHELL, sys.executable, "-c", code, str(folder)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(root), str(folder.parent)])},
    )
    assert child.returncode == 0, child.stderr
    return child.stdout


def test_the_nastiest_documents_stay_small(tmp_path: Path) -> None:
    folder = tmp_path / "configs"
    folder.mkdir()
    for number, text in enumerate(NASTIEST.values()):
        (folder / f"{number:02}.yaml").write_text(text)
    assert int(in_a_child(CHILD, folder)) < 300 * 1024  # KiB


def test_nothing_in_a_config_is_imported_or_run(tmp_path: Path) -> None:
    folder, marker = tmp_path / "configs", tmp_path / "marker"
    folder.mkdir()
    (tmp_path / "evil.py").write_text(f"open({str(marker)!r}, 'w')\n")
    tags = (
        f"!!python/object/apply:os.system ['touch {marker}']",
        f"!!python/object/apply:subprocess.check_call [[touch, {marker}]]",
        f"!!python/object/new:os.system ['touch {marker}']",
        "!!python/module:evil",
        "!!python/name:evil.x",
        "!!python/object:evil.X {}",
        f"!<tag:yaml.org,2002:python/object/apply:os.system> ['touch {marker}']",
    )
    texts = [f"{VALID}x: {tag}\n" for tag in tags] + [f"{VALID}? {tag}\n: 1\n" for tag in tags] + [*tags]
    texts += [f"%TAG !p! tag:yaml.org,2002:python/\n--- !p!object/apply:os.system ['touch {marker}']\n"]
    for number, text in enumerate(texts):
        (folder / f"{number:02}.yaml").write_text(text)
    in_a_child(CHILD, folder)
    assert not marker.exists()


# ---- names and paths


@quietly(50)
@given(
    lambda_=st.floats(0, 1e30),
    alpha=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_name_of_a_point_is_a_plain_name(
    valid: Document, lambda_: float, alpha: float, seed: int
) -> None:
    axes = {"loss.lambda": [lambda_], "loss.alpha": [alpha], "train.seed": [seed], "data.dir": [None]}
    (point,) = resolve_sweep(valid, Flags(axes=axes)).points
    name = point.name
    assert name == Path(name).name
    assert name.isascii()
    assert name.isprintable()
    assert not name.startswith((".", "-"))
    assert len(name) < 200


def test_the_only_paths_in_a_config_are_those_that_data_is_read_from(path: Path) -> None:
    """Every other text is one of a few words, so that no config can say where something is written."""
    read = ("data.dir", "data.exclude", "data.unknown")
    for key in read:
        known = "known: [0, 1], " if key == "data.unknown" else ""
        path.write_text(
            f"data: {{name: mnist, {known}{key.removeprefix('data.')}: ../../x}}\ntrain: {{epochs: 1}}\n"
        )
        found = getattr(load_config(path).data, key.removeprefix("data."))
        assert found == os.path.normpath(Path.cwd() / "../../x")
    for key in DOTTED:
        if key not in read:
            message = refusal(path, "data: {name: mnist}\ntrain: {epochs: 1}\n", [f"{key}=../../x"])
            assert f"--set {key}=../../x: {key}: expected" in message

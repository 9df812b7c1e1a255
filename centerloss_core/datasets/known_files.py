"""The files of the data sets in IDX format, and how each is recognised."""

import hashlib
import math
import struct
from dataclasses import dataclass

# The type code that IDX gives to unsigned bytes; the magic number is (type << 8) | number of dimensions.
UNSIGNED_BYTE = 0x08


@dataclass(frozen=True)
class KnownFile:
    """One file of a data set: what it is called, what it must hold, and the hash that settles it.

    Attributes:
        name: the IDX file's name without `.gz`.
        npz_key: the array that holds the same numbers in Keras' `mnist.npz`.
        shape: (n, h, w) for images, (n,) for labels.
        sha256: of the *uncompressed* IDX file, because the same content is compressed differently by
            different hosts; None where it is not known.
        data: the data set's plain name, for errors.
        md5_of_gz: of the gzipped file that the authors offer, to check a download by; None where it is not known.
    """

    name: str
    npz_key: str
    shape: tuple[int, ...]
    sha256: str | None
    data: str = "MNIST"
    md5_of_gz: str | None = None

    @property
    def kind(self) -> str:
        """What the file holds, in a word for messages."""
        return "labels" if len(self.shape) == 1 else "images"

    @property
    def header(self) -> bytes:
        """The IDX header that the genuine file begins with: magic number and sizes, big-endian 32-bit."""
        magic = UNSIGNED_BYTE << 8 | len(self.shape)
        return struct.pack(f">{1 + len(self.shape)}I", magic, *self.shape)

    @property
    def body_size(self) -> int:
        """Bytes after the header: one for each pixel or label."""
        return math.prod(self.shape)

    @property
    def size(self) -> int:
        """Bytes of the whole uncompressed file."""
        return len(self.header) + self.body_size

    def is_genuine(self, content: bytes) -> bool:
        """Say whether the content is that of the genuine uncompressed file, as far as its hash is known."""
        return self.sha256 is None or hashlib.sha256(content).hexdigest() == self.sha256

    def is_as_offered(self, stored: bytes) -> bool:
        """Say whether these are the bytes that the authors offer, as far as their hash is known."""
        md5 = hashlib.md5(stored, usedforsecurity=False).hexdigest()
        return self.md5_of_gz is None or md5 == self.md5_of_gz


# Training images, training labels, test images, test labels: every function that takes `files` keeps this
# order.
_NAMES = (
    ("train-images-idx3-ubyte", "x_train", (60_000, 28, 28)),
    ("train-labels-idx1-ubyte", "y_train", (60_000,)),
    ("t10k-images-idx3-ubyte", "x_test", (10_000, 28, 28)),
    ("t10k-labels-idx1-ubyte", "y_test", (10_000,)),
)


def files_like_mnist(
    data: str, *, sha256: tuple[str, ...] | None = None, md5_of_gz: tuple[str, ...] | None = None
) -> tuple[KnownFile, ...]:
    """The four files of a data set that has the names and shapes of MNIST's.

    Args:
        data: its plain name.
        sha256, md5_of_gz: of the four, see `KnownFile`.
    """
    unknown = (None,) * len(_NAMES)
    hashes = zip(_NAMES, sha256 or unknown, md5_of_gz or unknown, strict=True)
    return tuple(KnownFile(*names, sha, data, md5) for names, sha, md5 in hashes)

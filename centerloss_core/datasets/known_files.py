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
        data: the data set's plain name; empty where any content will do.
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

    def why_not_genuine(self, content: bytes) -> str | None:
        """Say what else an uncompressed file holds; None for the genuine content, where its hash is known."""
        if not self.data:
            return None
        found = hashlib.sha256(content).hexdigest()
        if found == self.sha256:
            return None
        for data, hashes in SHA256.items():
            if found in hashes:
                of_what = ("training images", "training labels", "test images", "test labels")
                return f"these are the {of_what[hashes.index(found)]} of {data}"
        return None if self.sha256 is None else "its SHA-256 differs"

    def is_as_offered(self, stored: bytes) -> bool:
        """Say whether these are the bytes that the authors offer, as far as their hash is known."""
        md5 = hashlib.md5(stored, usedforsecurity=False).hexdigest()
        return self.md5_of_gz is None or md5 == self.md5_of_gz


# Of the uncompressed files, in the order below.
SHA256 = {
    "MNIST": (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    "Fashion-MNIST": (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
}

# Training images, training labels, test images, test labels: every function that takes `files` keeps this
# order.
_NAMES = (
    ("train-images-idx3-ubyte", "x_train", (60_000, 28, 28)),
    ("train-labels-idx1-ubyte", "y_train", (60_000,)),
    ("t10k-images-idx3-ubyte", "x_test", (10_000, 28, 28)),
    ("t10k-labels-idx1-ubyte", "y_test", (10_000,)),
)


def files_like_mnist(data: str, *, md5_of_gz: tuple[str, ...] | None = None) -> tuple[KnownFile, ...]:
    """The four files of a data set that has the names and shapes of MNIST's.

    Args:
        data: its plain name.
        md5_of_gz: of the four, see `KnownFile`.
    """
    unknown = (None,) * len(_NAMES)
    hashes = zip(_NAMES, SHA256.get(data, unknown), md5_of_gz or unknown, strict=True)
    return tuple(KnownFile(*names, sha, data, md5) for names, sha, md5 in hashes)

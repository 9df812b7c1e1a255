"""The four files of MNIST, and how each is recognised."""

import hashlib
import math
import struct
from dataclasses import dataclass

# The type code that IDX gives to unsigned bytes; the magic number is (type << 8) | number of dimensions.
UNSIGNED_BYTE = 0x08


@dataclass(frozen=True)
class KnownFile:
    """One file of the data set: what it is called, what it must hold, and the hash that settles it.

    Attributes:
        name: the IDX file's name without `.gz`.
        npz_key: the array that holds the same numbers in Keras' `mnist.npz`.
        shape: (n, 28, 28) for images, (n,) for labels.
        sha256: of the *uncompressed* IDX file, because the same content is compressed differently by
            different hosts.
    """

    name: str
    npz_key: str
    shape: tuple[int, ...]
    sha256: str

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
        """Say whether the content is that of the genuine uncompressed file."""
        return hashlib.sha256(content).hexdigest() == self.sha256


TRAIN_IMAGES = KnownFile(
    "train-images-idx3-ubyte",
    "x_train",
    (60_000, 28, 28),
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
)
TRAIN_LABELS = KnownFile(
    "train-labels-idx1-ubyte",
    "y_train",
    (60_000,),
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
)
TEST_IMAGES = KnownFile(
    "t10k-images-idx3-ubyte",
    "x_test",
    (10_000, 28, 28),
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
)
TEST_LABELS = KnownFile(
    "t10k-labels-idx1-ubyte",
    "y_test",
    (10_000,),
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
)

# Training images, training labels, test images, test labels: every function that takes `files` keeps this
# order.
MNIST_FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)

"""The full MNIST: 60,000 training and 10,000 test images of digits."""

from centerloss_core.datasets.idx_set import DATA_DIR_VARIABLE, IdxSet
from centerloss_core.datasets.known_files import files_like_mnist

FILES = files_like_mnist(
    "MNIST",
    sha256=(
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)
MNIST = IdxSet(
    title="MNIST",
    files=FILES,
    mirrors=(
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ),
    class_names=tuple("0123456789"),
    torchvision="MNIST",
    npz="mnist.npz",
    variable=DATA_DIR_VARIABLE,
    in_place_of_it="set data.name to mnist5k: 5,000 digits that are already installed, no download",
)

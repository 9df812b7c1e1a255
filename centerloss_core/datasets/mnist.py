"""The full MNIST: 60,000 training and 10,000 test images of digits."""

from centerloss_core.datasets.idx_set import DATA_DIR_VARIABLE, IdxSet
from centerloss_core.datasets.known_files import files_like_mnist

FILES = files_like_mnist("MNIST")
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

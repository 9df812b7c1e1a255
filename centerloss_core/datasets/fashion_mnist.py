"""Fashion-MNIST (Xiao et al., 2017): 60,000 training and 10,000 test images of clothes, in the form of MNIST."""

from centerloss_core.datasets.idx_set import IdxSet
from centerloss_core.datasets.known_files import files_like_mnist

FILES = files_like_mnist("Fashion-MNIST")
FASHION_MNIST = IdxSet(
    title="Fashion-MNIST",
    files=FILES,
    mirrors=("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
    class_names=(
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    torchvision="FashionMNIST",
    cache_folder="fashion_mnist",
    in_place_of_it="on Debian: apt install dataset-fashion-mnist, and data.dir=/usr/share/datasets/fashion-mnist",
)

"""Fashion-MNIST (Xiao et al., 2017): 60,000 training and 10,000 test images of clothes, in the form of MNIST."""

from centerloss_core.datasets.idx_set import IdxSet
from centerloss_core.datasets.known_files import files_like_mnist

FILES = files_like_mnist(
    "Fashion-MNIST",
    sha256=(
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
)
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

"""Kuzushiji-MNIST (Clanuwat et al., 2018): 60,000 + 10,000 cursive Japanese characters, in the form of MNIST.

Its authors give hashes of the gzipped files alone. So a download is checked by them, and files that are there
already by their shape and the range of their labels, and because they are not those of another known set.
"""

from centerloss_core.datasets.idx_set import IdxSet
from centerloss_core.datasets.known_files import files_like_mnist

FILES = files_like_mnist(
    "KMNIST",
    md5_of_gz=(
        "bdb82020997e1d708af4cf47b453dcf7",
        "e144d726b3acfaa3e44228e80efcd344",
        "5c965bf0a639b31b8f53240b1b52f4d7",
        "7320c461ea6c1c855c0b718fb2a4b134",
    ),
)
KMNIST = IdxSet(
    title="KMNIST",
    files=FILES,
    mirrors=("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
    class_names=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    torchvision="KMNIST",
    cache_folder="kmnist",
)

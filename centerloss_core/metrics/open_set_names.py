"""How figures of known and unknown images are called in tables; `metrics/open_set.py` defines them."""

from centerloss_core.formatting import percent
from centerloss_core.metrics.names import Name

# Of each score.
OF_SCORES = (
    Name(
        "auroc",
        "AUROC",
        percent,
        "most",
        about="chance that a known image has a larger score than an unknown one",
    ),
    Name(
        "aupr_known", "AUPR", percent, "most", about="average precision, known images being the positive ones"
    ),
    Name(
        "tnr_at_tpr_95",
        "TNR",
        percent,
        "most",
        about="unknown images refused by the threshold that accepts 95 % of the known test images",
    ),
    Name(
        "oscr",
        "OSCR",
        percent,
        "most",
        about="AUROC where a known image counts only if it is given the right class too",
    ),
    Name(
        "ccr_at_fpr_1e1",
        "CCR 1e-1",
        percent,
        "most",
        about="known images accepted with the right class where 1 in 10 unknown images is accepted",
    ),
    Name("ccr_at_fpr_1e2", "CCR 1e-2", percent, "most", about="the same for 1 in 100"),
    Name("ccr_at_fpr_1e3", "CCR 1e-3", percent, "most", about="the same for 1 in 1,000"),
)

# Of pairs of unknown images: the key without how two are compared, and the title.
OF_UNSEEN = (
    Name(
        "map_at_r", "MAP@R", percent, "most", about="whether the nearest unknown images are of the same class"
    ),
    Name("eer", "EER", percent, "least", about="equal error rate of verification"),
    Name("tar_at_far_1e2", "TAR 1e-2", percent, "most", about="TAR at FAR 1e-2"),
    Name("tar_at_far_1e3", "TAR 1e-3", percent, "most", about="TAR at FAR 1e-3"),
)
BY = {"euclidean": "Euclidean", "cosine": "cosine"}


def unseen_key(name: Name, by: str) -> str:
    """The key of a figure of OF_UNSEEN: `map_at_r_cosine`, but `cosine_eer`."""
    return f"{name.key}_{by}" if name.key == "map_at_r" else f"{by}_{name.key}"

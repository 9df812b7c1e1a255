"""Everything that is measured on the feature dumps of a run: `cl evaluate`. Importing this loads no scikit-learn.

The figures that cost little are in `centerloss_core.metrics`, and training writes them. These take seconds. What each
of them means, its source, and when it is undefined is in docs/metrics.md.

- `sample`: which images are looked at where all would be too many.
- `neighbors`: classifiers that know nothing but the training features: nearest class mean, k nearest neighbors.
- `clusters`: silhouette and Davies–Bouldin.
- `verification`: are two images of one class? EER, AUC, TAR at a FAR.
- `per_class`: each class by itself, and which classes are taken for which.
- `evaluate`: all of it for one dump.
- `names`: what the figures are called, how they are written, and which end of them is the good one.
- `directory`: a run or a sweep: dumps in, `evaluation.json` and tables out; `tables` has their layout.
"""

from centerloss_core.measures.directory import (
    SPLITS,
    EvaluationError,
    Report,
    RunEvaluation,
    Step,
    evaluate_directory,
)
from centerloss_core.measures.evaluate import SplitEvaluation, evaluate_split

__all__ = [
    "SPLITS",
    "EvaluationError",
    "Report",
    "RunEvaluation",
    "SplitEvaluation",
    "Step",
    "evaluate_directory",
    "evaluate_split",
]

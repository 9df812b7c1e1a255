"""Everything that is measured on feature dumps. docs/metrics.md says what each figure means, and when it is undefined.

- `separation`: accuracy and distances, cheap enough for every epoch; training writes them.
- `recognition`: which class each image is given, by what.
- `distances`: to class points and between them, angles, and class means.
- `sample`: which images are measured where all would be too many.
- `neighbors`: classifiers that know nothing but the training features: nearest class mean, k nearest neighbors.
- `clusters`: silhouette and Davies–Bouldin.
- `verification`: are two images of one class? EER, AUC, TAR at a FAR.
- `scores`: how much an image looks like a known class, for a threshold to decide.
- `alignment`: how the directions of features lie on the sphere.
- `per_class`: each class by itself, and which classes are predicted in place of which.
- `evaluate`: all of it for one dump, by scikit-learn.
- `names`: what the figures are called, how they are written, and which end of them is the good one.
- `directory`: a run or a sweep: dumps in, `evaluation.json` and tables out.
"""

"""The page docs/study.md from the run directories of configs/study.yaml: `python -m benchmarks.study DIR`."""

"""One run: build, train step by step, evaluate, save, resume. Importing this loads no framework."""

from centerloss_core.training.run import Result, resume, train

__all__ = ["Result", "resume", "train"]

"""One run: build, train step by step, evaluate, save, resume."""

"""What is installed: the core, and two folders of the checkout under names that collide with nobody's own packages."""

from setuptools import find_packages, setup

# A top-level package `cli` would be taken for, or overwritten by, another program's.
OURS = {"centerloss_cli": "cli", "centerloss_configs": "configs"}

setup(packages=[*find_packages(include=["centerloss_core*"]), *OURS], package_dir=OURS)

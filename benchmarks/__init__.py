"""How fast it is, measured beside what it is compared with: `make bench`, or `python -m benchmarks --list`.

No part of the installed package: it needs the checkout, with its configs.
"""

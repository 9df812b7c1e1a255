"""How fast it is, measured beside what it is compared with: `make bench`, or `python -m benchmarks --list`.

No part of the installed package: it needs the checkout, with its configs.
"""

import os

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as in a run; inherited by every process that measures

"""Every bound on what is read, kept or computed, with its reason. Nothing here is met by accident.

This file imports nothing, so that every other one may import it.
"""

# ---- Feature dumps ------------------------------------------------------------------------------------------

# The distances of all pairs of classes are computed and drawn: memory goes with the square.
CLASSES = 1_000

# Units of the feature layer: a dump of 60,000 images with so many is 1 GB.
DIMENSIONS = 4_096

# Numbers in a feature dump. MNIST's 60,000 training images in 128 dimensions take 31 MB.
DUMP_BYTES = 1 << 30

# ---- Metrics ------------------------------------------------------------------------------------------------

# Up to so many classes a confusion matrix is written whole, a column per class: the counts go with the square.
CONFUSION_CLASSES = 20

# Pairs of confused classes that `evaluation.json` lists where there are more classes than that.
CONFUSED_PAIRS = 1_000

# Images in a batch of an evaluation: enough to keep the cores busy, and activations stay below 200 MB.
EVALUATION_BATCH = 500

# ---- Downloads ----------------------------------------------------------------------------------------------

# After either of them the next mirror is tried.
SECONDS_TO_CONNECT = 10
SECONDS_WITHOUT_A_BYTE = 30

# For a whole file, of 10 MB at most: a server that sends a byte per second is given up too.
DOWNLOAD_SECONDS = 600.0

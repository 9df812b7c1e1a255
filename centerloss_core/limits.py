"""Every bound on what is read, kept or shown, with its reason. No ordinary use reaches one.

This file imports nothing, so that every other file may import it. How long a launcher waits, and what fits into a
figure, stay with the launcher and the figure.
"""

# ---- Configs ------------------------------------------------------------------------------------------------

CONFIG_BYTES = 32 * 1024  # of the file: a config has about 2 kB, and PyYAML reads about 100 kB a second
CONFIG_NESTING = 50  # levels: deeper ones would end Python's recursion
CONFIG_EVENTS = 5000  # keys, values, beginnings and ends: the bytes alone would allow 30,000
LARGEST_COUNT = 10**9  # steps of a year at 30 a second; the product of two counts stays below 64 bits
LARGEST_FLOAT = 1e30  # losses and weights are float32, which ends at 3e38
MILESTONES = 1000  # the config of a run must be small enough to be read again
SWEEP_POINTS = 1000  # each has a directory and a row in every table
OVERRIDDEN_VALUES = 100  # each is compared for each point of a sweep
VALUE_IN_A_NAME = 40  # characters of a value in the name of a directory
QUOTED_VALUE = 60  # characters of a value in an error
QUOTED_KEY = 80  # characters of a key in an error
QUOTED_FLAG = 100  # characters of a flag in an error

# ---- Files --------------------------------------------------------------------------------------------------

# A run.json has some thousand bytes, a summary.json some hundred for each point. Parsed JSON takes up to twenty times
# as much memory.
FILE_BYTES = 16 << 20
ROW_BYTES = 256 << 10  # of metrics.jsonl, whose rows have some hundred
ROWS_BYTES = 64 << 20  # of the whole metrics.jsonl

ARCHIVE_BYTES = 3 << 29  # of an .npz: above what a dump has, below what needs 64-bit sizes
ARCHIVE_DIRECTORY_BYTES = 64 * 1024  # a hundred an array; zipfile makes an object of every entry
ARRAY_ERROR = 500  # characters: NumPy's parser repeats the whole of a header that it cannot read

CHECKPOINT_TEXT_BYTES = 1 << 20  # of a checkpoint's position, config or checksums, which have some hundred
STATE_BYTES = 1 << 30  # of the arrays of a checkpoint that a figure reads; LeNets++ takes 10 MB
LOCK_BYTES = 4096  # of a lock: a longer one is not of this program
LOCK_COMMAND = 300  # characters, of at most 12 bytes each, so that a lock stays below its limit
FILE_NAME_BYTES = 255  # what most file systems allow
WARNINGS = 100  # of a run, so that `run.json` stays short
DATA_TITLE = 120  # characters of a data set's title: a figure has no room for more
CLASS_NAME = 60  # characters of the name of a class

# ---- Images -------------------------------------------------------------------------------------------------

IMAGE_PIXELS = 50_000_000  # of one image before it is resized: no camera's photo has more
IMAGE_FILE_BYTES = 64 << 20  # of one image
DECODERS = 8  # images that are decoded together: some hundred megabytes each, if they are that large
DECODED_BYTES = 1 << 40  # of all images of a folder together, most of them in the cache on disk
DATASET_BYTES = 4 << 30  # of all images of an archive of arrays or a table, which are held in memory
DATASET_FILES = 2_000_000  # images: each costs some hundred bytes before it is read
ZIP_DIRECTORY_BYTES = 256 << 20  # of a zip file of images: a hundred bytes each, ten times as many in memory
CIFAR_BYTES = 400 << 20  # of its files together: the official ones have 185 MB
ROW_OF_PIXELS_BYTES = 4 << 20  # of a CSV file: an image of 1,000 × 1,000 pixels

# ---- Feature dumps ------------------------------------------------------------------------------------------

CLASSES = 1_000  # the distances of all pairs of classes are computed and drawn: memory goes with the square
DIMENSIONS = 4_096  # of a feature: a dump of 60,000 images with so many is 1 GB
DUMP_BYTES = 1 << 30  # of numbers: 60,000 images in 128 dimensions take 31 MB
LOGIT_BYTES = 256 << 20  # of logits in it, or it has none: 60,000 images of 1,000 classes take less

# ---- Training and metrics -----------------------------------------------------------------------------------

FILM_IMAGES = (
    1_000  # test images in a dump of `train.dump_every`: all 10,000 would double the time of a short run
)
BATCH_SIZE = 60_000  # where there are fewer training images; a batch of a hundred epochs is a slip
EVALUATION_BATCH = 500  # images: enough to keep the cores busy, and activations stay below 200 MB
EXACTLY_ORDERED_CLASSES = 12  # time and memory of the search go with 2^k: 50 ms for 10 classes, 0.4 s for 12
LIKENESS_WORK = (
    300_000_000  # classes² · pixels whose likeness is looked at: 1 s; 300 classes of CIFAR, 45 of photos
)
CONFUSION_CLASSES = 20  # whose counts are written and shown whole; they go with the square
CONFUSED_PAIRS = 1_000  # pairs of classes that `evaluation.json` lists where there are more classes than that

# ---- Downloads ----------------------------------------------------------------------------------------------

# After either of the first two the next mirror is tried.
SECONDS_TO_CONNECT = 10
SECONDS_WITHOUT_A_BYTE = 30
DOWNLOAD_SECONDS = 600.0  # for a file of at most 10 MB: a server that sends a byte per second is given up too

ARCHIVE_SECONDS = 7200.0  # for an archive of 600 MB

# ---- Sweeps -------------------------------------------------------------------------------------------------

THREADS = 1024  # of a run, where a file names them
JOBS = 1_000_000  # more than any cluster takes
MACHINE_LOSSES = 3  # after so many lost machines, the point itself is taken for the cause
LAST_WORDS = 300  # characters of a log line that explains a failure
ESTIMATE_SECONDS = 1e9  # a longer time left is no estimate

# ---- Figures and report -------------------------------------------------------------------------------------

FIGURE_DPI = (20, 1200)  # below, nothing can be read; no printer needs more
FIGURE_INCHES = (2, 60)  # wide: in less, letters of 7 points have no room
FIGURE_PIXELS = 400_000_000  # of a figure: 1.6 GB of memory while it is drawn
FILM_FRAMES = 60  # of an animation, which is a minute of drawing
TSNE_IMAGES = 2_000  # in a plane by t-SNE: 15 s; 10,000 would take minutes
PANELS = 24  # of a report: each is drawn again at every epoch and every selection
# Of the picture of `cl data`: a row for each class, so many images in it, and pixels of the longer side of one.
SHEET_CLASSES, SHEET_COLUMNS, SHEET_TILE = 100, 13, 64
RANKED_TILES = 240  # suspects in the picture of `cl rank`: more are no longer looked at
# Base64 of all frames. With Bokeh's script (1.3 MB), the thumbnails and the tables a report stays below 8 MB.
FRAME_BYTES = 4_400_000
THUMBNAIL_BYTES = 2_000_000
CURVE_ROWS = 400  # points of a curve: a screen is not wider
CURVE_ROWS_IN_ALL = 4800  # of all curves of a report
CLASS_ROWS = 400  # 40 splits of ten classes

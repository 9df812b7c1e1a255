"""Files and folders: written whole or not at all, read as untrusted. Knows nothing of runs."""

"""Files and folders: written whole or not at all, read as if a stranger wrote them. Knows nothing of runs."""

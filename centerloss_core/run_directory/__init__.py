"""The run directory, the only state that a run has: its names, its writer, its reader, its lock and its files."""

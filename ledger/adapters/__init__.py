"""Where the log and the erasable stores live; one file a technology, sharing no code."""

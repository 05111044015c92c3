"""Where the states live; one file a technology, sharing no code."""

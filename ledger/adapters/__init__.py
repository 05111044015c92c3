"""Where the log and the erasable stores live, one file a technology; the SQLite ones share how to open, wait and speak."""

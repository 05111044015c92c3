"""Where the log and the erasable stores live, by technology; those of SQLite share how to open, wait and speak."""

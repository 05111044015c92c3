"""Lists of opt-outs, opt-ins and links from files: two passes, flat memory, nothing lost and nothing doubled."""

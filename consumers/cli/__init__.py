"""The command line: one file a group of commands, as `prefledger --help` shows them."""

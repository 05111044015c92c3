"""Who asks: the gate, the import, the audit, the command line."""

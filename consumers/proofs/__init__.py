"""What an outsider can check: checkpoints, proofs, verification of a whole log, bundles (`docs/evidence.md`)."""

"""Run folders: leases, records, provenance and checkpoints. Here the two halves meet."""

"""Run folders: leases, records, provenance and checkpoints. Training writes them, analysis reads them."""

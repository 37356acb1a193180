"""`python -m bn_study` is `bn-study`."""

import sys
from pathlib import Path

if not sys.flags.safe_path and Path(sys.path[0]).resolve() != Path(__file__).resolve().parents[1]:
    del sys.path[0]  # the folder it was called in, whose queue.py or keras.py is not ours to import

from bn_study.cli.main import main

sys.exit(main())

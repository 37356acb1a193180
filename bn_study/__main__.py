"""`python -m bn_study` is `bn-study`."""

import sys

from bn_study.cli import main

sys.exit(main())

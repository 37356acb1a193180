#!/usr/bin/env python
"""Writes the JSON schema and the page of experiment files; run it after a change to the types that check them."""

import json
from pathlib import Path

from bn_study.plan import experiment_file

ROOT = Path(__file__).resolve().parent.parent

if __name__ == "__main__":
    schema = json.dumps(experiment_file.schema(), indent=1, ensure_ascii=False)
    (ROOT / experiment_file.SCHEMA).write_text(f"{schema}\n", encoding="utf-8")
    (ROOT / experiment_file.PAGE).write_text(experiment_file.page(), encoding="utf-8")

"""A new study: a copy of the folder study/ beside this file, which names the schema of the installed package.

Its .gitignore leaves out what git should not hold: the run cache, reports of changed experiments, pages and copies.
"""

import shutil
from pathlib import Path

from bn_study.errors import UsageError
from bn_study.plan import places

TEMPLATE = Path(__file__).resolve().parent / "study"
SCHEMA = "SCHEMA"
"""What stands in the template for the path of the schema."""
IGNORED = ("/results/runs/", "/results/local/", "/results/index.html", "/results/*/index.html", "/results/mirror/")


def make(folder: Path) -> Path:
    """Make the folder. Raises UsageError if it exists and is not empty, or cannot be written."""
    try:
        if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
            raise UsageError(f"{folder} exists already and is not empty; give the name of a new folder")
        for name in ("experiments/my_question.yaml", "parts/README.md"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(TEMPLATE / name, folder / name)
        question = folder / "experiments" / "my_question.yaml"
        text = question.read_text(encoding="utf-8").replace(SCHEMA, str(places.HOME / "experiments" / "schema.json"), 1)
        question.write_text(text, encoding="utf-8")
        (folder / ".gitignore").write_text("\n".join([*IGNORED, ""]), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{folder} cannot be made ({error.strerror}); choose another place") from error
    return folder

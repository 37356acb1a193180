"""scripts/reproduce.sh: the picture of the evidence comes first, and why the verdicts differ comes last."""

import shlex
import shutil
import subprocess

from bn_study.cli.main import _parser
from bn_study.study import Study
from bn_study.sweep.request import Request

COMMAND = """#!/usr/bin/env bash
printf '%q ' "$@" >> "$CALLS"; echo >> "$CALLS"
case $1 in
report) printf '%s\\n' "a verdict" /there/figure1.png /there/figure1.json ;;
compare) printf '%s\\n' "Here." "In the evidence." "They differ because." ;;
esac
"""


def test_what_it_calls_and_how_it_ends(home, tmp_path):
    """With a stand-in for bn-study that notes its arguments and an installation that is there."""
    files = {"scripts/install.sh": "#!/bin/sh\n", "environment/bin/bn-study": COMMAND}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    for name in ("environment.sh", "reproduce.sh"):
        shutil.copy(home / "scripts" / name, tmp_path / "scripts" / name)
    environment = {"PATH": "/usr/bin:/bin", "VENV": str(tmp_path / "environment"), "CALLS": str(tmp_path / "calls")}
    command = [tmp_path / "scripts" / "reproduce.sh"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    calls = [shlex.split(line) for line in (tmp_path / "calls").read_text().splitlines()]
    for call in calls:  # words that the real command takes
        Request.parse(_parser().parse_args(call).request, Study(home, tmp_path))
    assert [call[0] for call in calls] == ["report", "run", "report", "compare"]
    redraw, run, report, compare = calls
    assert "--to" in redraw and redraw[1] == run[1] and len(run) > 2  # the evidence first, then a smaller one
    assert report[1:] == run[1:] == compare[1 : len(run)] and "--evidence" in compare
    lines = done.stdout.splitlines()
    assert lines[-5:-2] == ["Here.", "In the evidence.", "They differ because."]
    assert lines[-2].endswith(" /there/figure1.png") and lines[-1].endswith(f"{redraw[-1]}/figure1.png")
    assert lines.index(f"{redraw[-1]}/figure1.png") < lines.index("a verdict")

"""Text in lines: what a reader takes as one is never broken."""

import re

import pytest
from matplotlib.figure import Figure

from bn_study.analysis.figure import _style
from bn_study.analysis.figure._text import breadth, folded, wrapped

NUMBERS = r"[-−+]?\d[\d.,]*(?:e[-+]?\d+)?"
TITLES = [
    "mlp optimizer.learning_rate=1e-05 model.initializer_scale=0.001",
    "model.widths=[100,100,100,100,100,100,100,100] norm=batch",
    "cnn norm.placement=before (cifar10_jpeg, 16 seeds)",
    "final test/accuracy: norm=batch_renorm − 0.5 norm=ghost_batch − 0.5 norm=batch",
    "reaches 95% accuracy in 2.3 times fewer steps, by -1.5 points or 1,000 steps",
    "0.31622776601683794",
]


@pytest.mark.parametrize("letters", [8, 13, 21, 34, 37, 55])
@pytest.mark.parametrize("title", TITLES)
def test_no_number_is_broken_or_torn_from_what_it_counts(title, letters):
    lines = folded(title, letters)
    assert "".join(lines).replace(" ", "") == title.replace(" ", "")
    numbers = NUMBERS.replace(",", "") if "[" in title else NUMBERS
    assert [one for line in lines for one in re.findall(numbers, line)] == re.findall(numbers, title)
    for line in lines[:-1]:
        assert not re.search(rf"(?:^|\s)(?:[-−+]|{numbers})$", line), "a number or a sign ends the line"
    longest = max(len(part) for part in re.split(r"(?<=,)|(?<![−\d]) |(?<=\w[\d.]) ", title))
    assert all(len(line) <= max(letters, longest + 2) for line in lines)


def test_lines_of_inches_keep_numbers_too():
    lines = wrapped("a plain net reaches 95% accuracy in 2.3 times fewer steps", 1.0, 7)
    assert not any(re.search(r"\d$", line) for line in lines) and "\xa0" not in "".join(lines)
    assert all(breadth(line, 7) <= 1.0 for line in lines)


def test_a_title_of_three_panels_has_whole_numbers():
    axes = Figure().subplots()
    _style.title(axes, "chain optimizer.learning_rate=1e-05 (mnist, 16 seeds)", 3)
    assert axes.get_title().splitlines() == ["chain optimizer.learning_rate=1e-05", "(mnist, 16 seeds)"]

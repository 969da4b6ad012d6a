"""The styles of figures, and what drawing spares a command."""

import subprocess
import sys

import pytest

DRAW = """
import sys
if {asked}:
    sys.ps1 = ">>> "
from reports.figures.style import house_style
with house_style():
    from matplotlib.figure import Figure
    axes = Figure().subplots()
    (line,) = axes.plot([1, 2], [3, 4])
    line.set(linewidth=3, color="red")
    axes.set(xlim=(0, 9))
print(line.get_linewidth(), line.get_color(), axes.get_xlim()[1], bool(line.set.__doc__))
"""


@pytest.mark.parametrize("asked", [False, True])
def test_matplotlib_describes_its_classes_where_somebody_can_ask(asked):
    done = subprocess.run([sys.executable, "-c", DRAW.format(asked=asked)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["3.0", "red", "9.0", str(asked)]

"""What a type checker sees of the package; the program imports these names when they are first asked for."""

from harness.experiment import Run as Run
from harness.experiment import open_run as open_run
from harness.experiment import run_experiment as run_experiment
from harness.pipeline.executors.events import Event as Event

__version__: str

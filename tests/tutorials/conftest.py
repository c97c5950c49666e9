"""The scripts in tutorials/ can be imported, as they import each other when they are run."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tutorials"))

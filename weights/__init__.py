"""Finding, fetching, verifying and loading checkpoints; the embedded model lives in weights/storyteller/.

>>> import weights
>>> weights.STORYTELLER.name  # importing weights imports no torch
'storyteller'
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weights.checkpoint import Checkpoint as Checkpoint
    from weights.checkpoint import load_checkpoint as load_checkpoint
    from weights.export import save_checkpoint as save_checkpoint

STORYTELLER = Path(__file__).parent / "storyteller"
HOMES = {
    "Checkpoint": "weights.checkpoint",
    "load_checkpoint": "weights.checkpoint",
    "save_checkpoint": "weights.export",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for."""
    import importlib

    if name in HOMES:
        return getattr(importlib.import_module(HOMES[name]), name)
    raise AttributeError(f"module 'weights' has no attribute {name!r}")

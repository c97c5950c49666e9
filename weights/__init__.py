"""Finding, fetching, verifying and loading checkpoints; the embedded ones live in weights/storyteller/,
weights/storyteller-chat/ and weights/miniatures/.

>>> import weights
>>> weights.STORYTELLER.name  # importing weights imports no torch
'storyteller'
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weights.checkpoint import Checkpoint as Checkpoint
    from weights.checkpoint import load_checkpoint as load_checkpoint
    from weights.export import save_checkpoint as save_checkpoint

STORYTELLER = Path(__file__).parent / "storyteller"
STORYTELLER_CHAT = Path(__file__).parent / "storyteller-chat"  # the same, tuned to answer
MINIATURES = Path(__file__).parent / "miniatures"  # of GPT-2's relatives, a folder each
HOMES = {
    "Checkpoint": "weights.checkpoint",
    "load_checkpoint": "weights.checkpoint",
    "save_checkpoint": "weights.export",
}

if not TYPE_CHECKING:  # a type checker reads the imports above, and finds misspelt names

    def __getattr__(name: str) -> object:
        """Import what is asked for when it is asked for."""
        from tokenizer.lazy import attribute

        return attribute("weights", HOMES, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *HOMES])

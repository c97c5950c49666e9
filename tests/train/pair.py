"""One of two processes that train a tiny model together; `test_together.py` starts both and reads what the first wrote.

Each case is trained for three steps, saved, read again and trained for three more.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import torch

from minigpt.models.config import GPT2Config
from minigpt.models.gpt2 import GPT2
from minigpt.train import processes
from minigpt.train.checkpoint import read_run, save
from minigpt.train.data import Texts
from minigpt.train.trainer import Trainer, TrainSettings

SETTINGS = TrainSettings(steps=8, batch_size=4, block_size=8, warmup=2, learning_rate=1e-2)
IDS = torch.arange(300) % 50
TEXTS = Texts(IDS[:200], IDS[200:], 100)
CASES = {
    "halves": (1, False),
    "parts": (2, False),
    "shards": (1, True),
    "shards_in_parts": (2, True),
    "muon": (1, False, "muon"),
}


def tiny(dropout: float = 0.0) -> GPT2:
    """Always the same weights."""
    torch.manual_seed(0)
    return GPT2(GPT2Config(vocab_size=50, n_ctx=8, n_layer=2, n_head=2, n_embd=8, dropout=dropout))


def three_steps(trainer: Trainer) -> list[float]:
    """The losses of three steps."""
    return [trainer.do_step(TEXTS.train) for _ in range(3)]


def keep(trainer: Trainer, folder: Path) -> None:
    """The state into a folder, written by the first process alone."""
    state = trainer.state()
    if processes.rank() == 0:
        save(folder, trainer, [], None, state)
    processes.wait()


def follow(folder: Path, accumulate: int, shard: bool, optimizer: str = "adamw") -> dict[str, object]:
    """A run that stops after three steps and goes on from its folder."""
    first = Trainer(tiny(), replace(SETTINGS, accumulate=accumulate, optimizer=optimizer), shard=shard)
    losses = three_steps(first)
    keep(first, folder)
    second = read_run(folder, "cpu").trainer(shard=shard)
    losses += three_steps(second)
    keep(second, folder)
    scores = second.evaluate(TEXTS)
    mine = [parameter.sum().item() for parameter in second.whole().parameters()]
    return {"losses": losses, "validation": scores.loss, "same": mine == processes.from_first(mine)}


def losses_of_equal_rows() -> list[float]:
    """The mean loss of a step in which both processes have the same rows and dropout, and the first one's own loss."""
    trainer, own = Trainer(tiny(dropout=0.5), SETTINGS), []
    plain_loss = trainer.text_loss

    def loss(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        found = plain_loss(model, x, y)
        own.append(found.item())
        return found

    trainer.text_loss = loss
    trainer.draw = lambda *_: (IDS[:8].repeat(4, 1), IDS[1:9].repeat(4, 1))  # type: ignore[method-assign]
    return [trainer.do_step(TEXTS.train), processes.from_first(own[0])]


def main(folder: Path) -> None:
    """All cases, and what becomes of a batch that cannot be shared, and of a loss that is no number."""
    with processes.together("cpu"):
        found: dict[str, object] = {name: follow(folder / name, *case) for name, case in CASES.items()}
        found["dropout"] = losses_of_equal_rows()
        for name, change in {"odd": {"batch_size": 5}, "many": {"accumulate": 3}}.items():
            try:
                Trainer(tiny(), replace(SETTINGS, **change))
            except ValueError as error:
                found[name] = str(error)
        wild = Trainer(tiny(), replace(SETTINGS, learning_rate=1e30, warmup=0))
        try:
            three_steps(wild)
        except ValueError as error:
            found["wild"] = str(error)
        if processes.rank() == 0:
            (folder / "found.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""A whole run: steps, a validation now and then, and the best model kept in Hugging Face layout."""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from minigpt.train.checkpoint import save
from minigpt.train.data import END, Texts
from minigpt.train.trainer import Scores, Trainer, evaluate
from tokenizer import Tokenizer
from weights import save_checkpoint


@dataclass(frozen=True)
class Progress:
    """What a step reports: its number, its loss, and the scores on the validation text where they were taken."""

    step: int
    loss: float
    scores: Scores | None = None
    best: bool = False


def run(
    trainer: Trainer,
    tokenizer: Tokenizer,
    texts: Texts,
    folder: Path,
    log: list[dict[str, float]],
    evaluate_every: int,
) -> Generator[Progress, None, None]:
    """Train to the end of the settings' steps, reporting each; at every evaluation the run's state is saved, and the
    model too where its validation loss is the lowest so far. Whoever stops asking stops the run; the state is saved
    then as well."""
    end = tokenizer.special_tokens[END]
    defaults = {"bos_token_id": end, "eos_token_id": end, "do_sample": True, "temperature": 0.7, "top_p": 0.9}
    saved = trainer.step
    try:
        while trainer.step < trainer.settings.steps:
            loss = trainer.do_step(texts.train)
            if trainer.step % evaluate_every and trainer.step != trainer.settings.steps:
                yield Progress(trainer.step, loss)
                continue
            scores = evaluate(trainer.model, texts.validation, texts.validation_bytes, trainer.settings, trainer.plain)
            best = scores.loss < min((entry["validation"] for entry in log), default=float("inf"))
            log.append({"step": trainer.step, "train": loss, "validation": scores.loss, "bpb": scores.bits_per_byte})
            if best:
                save_checkpoint(trainer.model, folder, tokenizer, generation_config=defaults)
            save(folder, trainer, log)
            saved = trainer.step
            yield Progress(trainer.step, loss, scores, best)
    finally:
        if trainer.step != saved:
            save(folder, trainer, log)

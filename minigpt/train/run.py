"""A whole run: steps, a validation now and then, and the best model kept in Hugging Face layout."""

import json
import math
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path

from minigpt.train.checkpoint import RunRecord, companions_of, fingerprint, save
from minigpt.train.data import Texts
from minigpt.train.lora import merged
from minigpt.train.losses import FILE, log_lines, log_until
from minigpt.train.trainer import Scores, Trainer, evaluate
from minigpt.train.tuning import keep_adapter
from tokenizer import Tokenizer
from tokenizer.fetch.atomic import replacing_files
from weights import save_checkpoint
from weights.export import MODEL_FILES


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
    record: RunRecord | None = None,
) -> Generator[Progress, None, None]:
    """Train to the end of the settings' steps, reporting each; at every evaluation the run's state is saved, together
    with the model where its validation loss is the lowest so far. Whoever stops asking between two steps stops the run;
    the state is saved then as well, but not where a step failed. With the state goes the log of all its steps, see
    `losses`. What was in the folder stays until the first model is whole. Hold the folder by `exclusive` while it runs.

    Raises ValueError where a loss is no number, OSError where the disk is full.
    """
    own, saved = record or RunRecord(), trainer.step
    own = own if own.companions else replace(own, companions=companions_of(tokenizer))
    defaults = json.loads(own.companions["generation_config.json"])
    steps = log_until(folder, trainer.step) or [*log]

    def keep(best: bool = False) -> None:
        nonlocal own, saved
        with replacing_files(folder, MODEL_FILES if best else ()) as part:  # model and state change together
            if best:
                with own.files() as companions:
                    save_checkpoint(merged(trainer.model), part, generation_config=defaults, source=companions)
                own = replace(own, model=fingerprint(part))
            save(part, trainer, log, own)
            (part / FILE).write_text(log_lines(steps), encoding="utf-8", newline="\n")
        if best:
            keep_adapter(trainer.model, folder, own.asked, own.companions)
        saved = trainer.step

    try:
        while trainer.step < trainer.settings.steps:
            rate = trainer.settings.rate(trainer.step)
            loss = trainer.do_step(texts.train)
            steps.append({"step": trainer.step, "train": loss, "rate": rate})
            if trainer.step % evaluate_every and trainer.step != trainer.settings.steps:
                yield Progress(trainer.step, loss)
                continue
            scores = evaluate(trainer.model, texts.validation, texts.validation_bytes, trainer.settings, trainer.plain)
            if not math.isfinite(scores.loss):
                raise ValueError(
                    f"the validation loss of step {trainer.step} is {scores.loss}: choose a smaller learning rate"
                )
            best = scores.loss < min((entry["validation"] for entry in log), default=float("inf"))
            log.append({"step": trainer.step, "train": loss, "validation": scores.loss, "bpb": scores.bits_per_byte})
            steps[-1] = {**steps[-1], "validation": scores.loss, "bpb": scores.bits_per_byte}
            keep(best)
            yield Progress(trainer.step, loss, scores, best)
    except GeneratorExit:
        if trainer.step != saved:
            keep()
        raise

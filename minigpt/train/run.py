"""A whole run: steps, a validation now and then, and the best model kept in Hugging Face layout."""

import json
import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from minigpt.generation.generate import generate
from minigpt.train import processes
from minigpt.train.answers import Chats
from minigpt.train.card import CARD, card, is_ours
from minigpt.train.checkpoint import save
from minigpt.train.data import END, Texts
from minigpt.train.losses import FILE, log_lines, log_until
from minigpt.train.record import RunRecord, companions_of, fingerprint
from minigpt.train.trainer import Scores, Trainer
from minigpt.train.tuning import keep_adapter
from tokenizer import Tokenizer
from tokenizer.fetch.atomic import replacing_files
from weights import save_checkpoint
from weights.export import MODEL_FILES

SAMPLE_TOKENS = 48


@dataclass(frozen=True)
class Progress:
    """What a step reports: its number, its loss, and, where they were taken, the scores on the validation text and a
    text that the model writes."""

    step: int
    loss: float
    scores: Scores | None = None
    best: bool = False
    sample: str = ""


def run(
    trainer: Trainer,
    tokenizer: Tokenizer,
    texts: Texts,
    folder: Path,
    log: list[dict[str, float]],
    evaluate_every: int,
    record: RunRecord | None = None,
    patience: int | None = None,
) -> Generator[Progress, None, None]:
    """Train to the end of the settings' steps, reporting each; at every evaluation the run's state is saved, together
    with the model where its validation loss is the lowest so far. After `patience` evaluations without a lower one the
    run ends. A caller that stops iterating between two steps stops it; the state is saved then as well, but not if a
    step failed. With the state goes the log of all its steps, see `losses`. What was in the folder stays until the
    first model is whole. Hold the folder by `exclusive` while it runs; of several processes the first one writes.

    Raises ValueError where a loss is no number, OSError where the disk is full.
    """
    own, saved = record or RunRecord(), trainer.step
    own = own if own.companions else replace(own, companions=companions_of(tokenizer))
    defaults = json.loads(own.companions["generation_config.json"])
    steps = log_until(folder, trainer.step) or [*log]

    def keep(best: bool = False) -> None:
        nonlocal own, saved
        model, state = trainer.whole() if best else None, trainer.state()
        saved = trainer.step
        if processes.rank():
            return
        with replacing_files(folder, MODEL_FILES if best else ()) as part:  # model and state change together
            if model is not None:
                with own.files() as companions:
                    save_checkpoint(model, part, generation_config=defaults, source=companions)
                own = replace(own, model=fingerprint(part))
                if is_ours(folder / CARD):
                    (part / CARD).write_text(card(folder.resolve().name, model, trainer.settings, log, own), "utf-8")
            save(part, trainer, log, own, state)
            (part / FILE).write_text(log_lines(steps), encoding="utf-8", newline="\n")
        if best:
            keep_adapter(trainer.model, folder, own.asked, own.companions)

    try:
        while trainer.step < trainer.settings.steps and not overfits(log, patience):
            rate = trainer.settings.rate(trainer.step)
            loss = trainer.do_step(texts.train)
            steps.append({"step": trainer.step, "train": loss, "rate": rate})
            if trainer.step % evaluate_every and trainer.step != trainer.settings.steps:
                yield Progress(trainer.step, loss)
                continue
            scores = trainer.evaluate(texts)
            if not math.isfinite(scores.loss):
                raise ValueError(
                    f"the validation loss of step {trainer.step} is {scores.loss}: choose a smaller learning rate"
                )
            best = scores.loss < min((entry["validation"] for entry in log), default=float("inf"))
            log.append({"step": trainer.step, "train": loss, "validation": scores.loss, "bpb": scores.bits_per_byte})
            steps[-1] = {**steps[-1], "validation": scores.loss, "bpb": scores.bits_per_byte}
            keep(best)
            yield Progress(trainer.step, loss, scores, best, sample(trainer, tokenizer, texts))
    except GeneratorExit:
        if trainer.step != saved:
            keep()
        raise


def overfits(log: Sequence[Mapping[str, float]], patience: int | None) -> bool:
    """Whether the last `patience` evaluations were no better than one before: the model memorizes the text.

    >>> log = [{"validation": loss} for loss in (3.0, 2.5, 2.6, 2.7)]
    >>> overfits(log, 2), overfits(log, 3), overfits(log, None)
    (True, False, False)
    """
    losses = [entry["validation"] for entry in log]
    return bool(patience and losses) and len(losses) - 1 - losses.index(min(losses)) >= (patience or 0)


def sample(trainer: Trainer, tokenizer: Tokenizer, texts: Texts) -> str:
    """What the model writes on its own, or to the first chat's question, by the same random numbers at every step;
    nothing if the model is spread over processes."""
    if trainer.shard or processes.rank():
        return ""
    model = trainer.model.eval()
    asked = texts.validation.first() if isinstance(texts.validation, Chats) else None
    start, end = asked or ([tokenizer.special_tokens[END]], tokenizer.special_tokens[END])
    n = max(1, min(SAMPLE_TOKENS, model.config.n_ctx - len(start)))
    ids = generate(
        model, start, max_new_tokens=n, temperature=0.7, top_p=0.9, seed=1, eos_token_id=end, plain=trainer.plain
    )
    known = tokenizer.tokens.keys() - {
        *tokenizer.special_tokens.values()
    }  # a model may have more ids than its tokenizer
    return tokenizer.decode([i for i in (*start, *ids) if i in known])

"""A training step: our trainer; a plain PyTorch loop and Hugging Face's Trainer around transformers' GPT-2; the loop
around the model of `loops`, as nanoGPT has it. All take the same AdamW steps on the same block of tokens.

B batch, T tokens in a block, C channels, V vocabulary.
"""

import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minigpt.bench import material
from minigpt.bench.workers import Run, Sample

BATCH = {"storyteller": (8, 512), "30m": (4, 128), "tiny": (2, 16)}  # B, T; the storyteller's as it was trained
STEPS = 2  # in a measurement
RATE, DECAY, BETAS, CLIP = 1e-4, 0.1, (0.9, 0.95), 1.0
Steps = Callable[[int], tuple[float, list[float]]]  # how many -> seconds, losses


def step(who: str, model: str, precision: str = "float32") -> Run:
    """Seconds for a step; `who` is ours, loop, nanogpt or trainer.

    The text is one block long, so that every batch is that block again, however a contestant draws its batches.
    """
    torch.manual_seed(0)
    ids = torch.randint(material.config(model)["vocab_size"], (BATCH[model][1] + 1,))  # (T + 1,)
    steps = MAKERS[who](model, precision, ids)

    def once() -> Sample:
        seconds, losses = steps(STEPS)
        return seconds / STEPS, {"output": losses}

    return once


def ours(model: str, precision: str, ids: Tensor) -> Steps:
    """Our trainer, without dropout as everywhere here."""
    import minigpt
    from minigpt.train.make import set_dropout
    from minigpt.train.trainer import Trainer, TrainSettings

    made: Any = minigpt.load(material.folder(model), device="cpu", dtype="float32").model
    set_dropout(made, 0.0)
    batch, block = BATCH[model]
    settings = TrainSettings(
        steps=10**6,  # so that the rate stays near its peak
        batch_size=batch,
        block_size=block,
        learning_rate=RATE,
        warmup=0,
        weight_decay=DECAY,
        clip=CLIP,
        precision=precision,
    )
    trainer = Trainer(made, settings)
    return timed(lambda: trainer.do_step(ids))


def transformers_model(model: str) -> Any:
    """transformers' GPT-2 of a checkpoint, ready to be trained."""
    from transformers import AutoModelForCausalLM

    off = dict.fromkeys(("attn_pdrop", "embd_pdrop", "resid_pdrop"), 0.0)
    return AutoModelForCausalLM.from_pretrained(material.folder(model), dtype=torch.float32, **off).train()


def loop(model: str, precision: str, ids: Tensor) -> Steps:
    """The loop of PyTorch's tutorials around transformers' model."""
    made = transformers_model(model)
    return plain_loop(lambda x: made(x, use_cache=False).logits, list(made.parameters()), model, precision, ids)


def nanogpt(model: str, precision: str, ids: Tensor) -> Steps:
    """The same around a model of fused functions."""
    from minigpt.bench.contestants.loops import Model

    made = Model(model, "float32", "cpu")
    parameters = [weight.requires_grad_() for weight in made.w.values()]

    def forward(x: Tensor) -> Tensor:
        return made.unembed(made.hidden(x, torch.arange(x.shape[1])))  # (B, T, V)

    return plain_loop(forward, parameters, model, precision, ids)


def plain_loop(
    forward: Callable[[Tensor], Tensor], parameters: list[Tensor], model: str, precision: str, ids: Tensor
) -> Steps:
    """Forward, loss, backward, clip, AdamW in its fused form."""
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": DECAY},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=RATE, betas=BETAS, fused=True)
    x, y = (part.expand(BATCH[model][0], -1) for part in (ids[:-1], ids[1:]))  # (B, T) each

    def once() -> float:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            logits = forward(x)  # (B, T, V)
        loss = F.cross_entropy(logits.float().flatten(0, 1), y.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, CLIP)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item()

    return timed(once)


def timed(once: Callable[[], float]) -> Steps:
    """Steps with the clock around them."""

    def steps(n: int) -> tuple[float, list[float]]:
        start = time.perf_counter()
        losses = [once() for _ in range(n)]
        return time.perf_counter() - start, losses

    return steps


def trainer(model: str, precision: str, ids: Tensor) -> Steps:
    """Hugging Face's Trainer. Only the time between the first step's beginning and the last one's end counts, not the
    preparations of each `train()`."""
    import tempfile

    from transformers import Trainer, TrainerCallback, TrainingArguments

    clock: dict[str, float] = {}

    class Clock(TrainerCallback):
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            clock.setdefault("start", time.perf_counter())

        def on_step_end(self, *_: Any, **__: Any) -> None:
            clock["end"] = time.perf_counter()

    recipe = TrainingArguments(
        output_dir=tempfile.gettempdir(),
        max_steps=STEPS,
        per_device_train_batch_size=BATCH[model][0],
        learning_rate=RATE,
        lr_scheduler_type="constant",
        weight_decay=DECAY,
        adam_beta1=BETAS[0],
        adam_beta2=BETAS[1],
        max_grad_norm=CLIP,
        bf16=precision == "bfloat16",
        optim="adamw_torch_fused",
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
    )
    made = Trainer(
        transformers_model(model),
        recipe,
        train_dataset=[{"input_ids": ids[:-1], "labels": ids[1:]}] * (BATCH[model][0] * STEPS),
        compute_loss_func=lambda out, labels, **_: F.cross_entropy(out.logits.float().flatten(0, 1), labels.flatten()),
        callbacks=[Clock()],
    )

    def steps(n: int) -> tuple[float, list[float]]:
        assert n == STEPS
        clock.clear()
        made.train()
        losses = [entry["loss"] for entry in made.state.log_history if "loss" in entry]
        return clock["end"] - clock["start"], losses

    return steps


MAKERS: dict[str, Callable[[str, str, Tensor], Steps]] = {
    "ours": ours,
    "loop": loop,
    "nanogpt": nanogpt,
    "trainer": trainer,
}

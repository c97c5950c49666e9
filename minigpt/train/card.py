"""What is written beside a trained model for people: a model card, and the losses as a table and a curve."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from minigpt.train.losses import read_log
from minigpt.train.step import TrainSettings
from tokenizer.fetch.atomic import replacing, write_text

if TYPE_CHECKING:
    from minigpt.models.gpt2 import GPT2
    from minigpt.models.llama import Llama
    from minigpt.train.record import RunRecord

CARD, TABLE, CURVE = "README.md", "training.csv", "training.png"
HEAD = "---\npipeline_tag: text-generation\nlibrary_name: transformers\ntags: [minigpt]\n---\n"
COLUMNS = ("step", "train", "validation", "bpb", "rate")
NAMES = {"adamw": "AdamW", "muon": "Muon, AdamW for all but the blocks' matrices"}


def is_ours(path: Path) -> bool:
    """Whether a card may be written to this path: there is none, or one of ours."""
    return not path.exists() or path.read_bytes().startswith(HEAD.encode())


def card(
    name: str,
    model: "GPT2 | Llama",
    settings: TrainSettings,
    log: Sequence[Mapping[str, float]],
    record: "RunRecord",
) -> str:
    """The model card of a run's best model so far: sizes, text, figures, how to load it; no path of this machine."""
    config, best = model.config, min(log, key=lambda entry: entry["validation"])
    n = sum(parameter.numel() for parameter in model.parameters())
    base = record.asked.get("finetune")
    begun = f"tuned from {Path(str(base)).name}" if base else "trained from scratch"
    texts = record.asked.get("text") or record.asked.get("chat") or []
    named = ", ".join(Path(str(text)).name for text in texts) if isinstance(texts, list) else Path(str(texts)).name
    hashes = " ".join(record.texts)
    return f"""{HEAD}# {name}

{type(model).__name__} of {n:,} parameters ({config.n_layer} layers, {config.n_head} heads, {config.n_embd} channels, \
{config.n_ctx} positions, {config.vocab_size:,} tokens), {begun} by `minigpt train`.

| | |
|---|---|
| text | {named or "not named"} |
| SHA-256 of the text | {hashes or "not known"} |
| validation loss | {best["validation"]:.4f} nats per token |
| bits per byte | {best["bpb"]:.4f} |
| training loss of the step | {best["train"]:.4f} nats per token |
| step | {best["step"]:,} of {settings.steps:,} |
| batch | {settings.batch_size} x {settings.block_size} tokens, in {settings.precision} |
| optimizer | {NAMES[settings.optimizer]} |
| learning rate | {settings.learning_rate:g}, {settings.warmup} steps of warm-up, then half a cosine |
| seed | {settings.seed} |

It knows its text and nothing else. To generate text:

    minigpt generate "Once upon a time" -m {name}

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{name}")
model = AutoModelForCausalLM.from_pretrained("{name}")
```
"""


def write_curves(folder: Path) -> list[str]:
    """Writes the log of the run in a folder as a table for spreadsheets and, where matplotlib is installed, as a
    picture; returns the names of the files. Raises ImportError where it is not, after the table is written."""
    from minigpt.pictures.figure import save_png
    from minigpt.pictures.views import Views

    entries = read_log(folder)
    table = io.StringIO()
    writer = csv.DictWriter(table, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(entries)
    write_text(folder / TABLE, table.getvalue())
    with replacing(folder / CURVE) as part:
        save_png(Views.training(folder), part)
    return [TABLE, CURVE]

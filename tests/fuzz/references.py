"""The other readers: where a damaged file loads as something else than the whole one, they must read the same."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tests.fuzz.judge import IDS, MESSAGES, TEXTS, Wrong, json_of, same


@dataclass(frozen=True)
class Case:
    """A damaged file that loads as something else than the whole one."""

    file: Path
    differs: set[str]  # the names of the parts that are not those of the whole one
    parts: dict[str, Any]  # what came of it, as of `judge.outcome`

    @property
    def folder(self) -> Path:
        return self.file.parent


def compare(case: Case) -> str:
    """With whom the project agrees on this file; raises `Wrong` where with nobody."""
    name, reference = REFERENCES[case.file.suffix if case.file.suffix in REFERENCES else case.file.name]
    try:
        agrees = reference(case)
    except Wrong:
        raise
    except BaseException as error:  # a panic of a Rust library is no Exception
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        agrees = f"{name} refuses it: {type(error).__name__}: {str(error)[:150]!r}"
    if agrees is not True:
        raise Wrong(f"{', '.join(sorted(case.differs))} differ, and {agrees or name + ' reads something else'}")
    return f"equal to {name}"


def safetensors(case: Case) -> bool:
    """Every tensor bit by bit."""
    from safetensors.torch import load_file

    from weights.formats.safetensors import read

    return same({name: value.read() for name, value in read(case.file).items()}, load_file(case.file))


def pickled(case: Case) -> bool:
    """Every tensor bit by bit."""
    from weights.formats.pickled import read

    theirs = torch.load(case.file, map_location="cpu", weights_only=True)
    return same({name: value.read() for name, value in read(case.file).items()}, dict(theirs))


def gguf(case: Case) -> bool:
    """Every tensor, unpacked."""
    from gguf import GGUFReader, dequantize

    from weights.formats.gguf import read

    theirs = GGUFReader(case.file).tensors
    _, ours = read(case.file)
    if {tensor.name for tensor in theirs} != set(ours):
        return False
    return all(
        torch.equal(
            ours[tensor.name].read().float().reshape(-1).nan_to_num(),
            torch.tensor(dequantize(tensor.data, tensor.tensor_type)).float().reshape(-1).nan_to_num(),
        )
        for tensor in theirs
    )


def config(case: Case) -> bool:
    """The logits of transformers; settings such as the end of text may be the file's own. A whole number is a number
    also where transformers insists on a point in it; the dtype, which changes no result, may be anything."""
    if not case.differs & {"logits", "weights"}:
        return True
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    values = {name: value for name, value in json_of(case.file).items() if not name.endswith(("_token_id", "dtype"))}
    kind = CONFIG_MAPPING[values["model_type"]]
    usual = kind().to_dict()
    floats = {name: float(v) for name, v in values.items() if type(v) is int and type(usual.get(name)) is float}
    theirs_config = kind.from_dict(values | floats)
    model = AutoModelForCausalLM.from_pretrained(case.folder, config=theirs_config, dtype=torch.float32).eval()
    with torch.no_grad():
        theirs = model(torch.tensor([IDS])).logits
    return torch.allclose(case.parts["logits"].float(), theirs, atol=1e-3, rtol=1e-3, equal_nan=True)


def index(case: Case) -> bool:
    """An index only says where tensors are: no other weights can be right."""
    return not case.differs


def probe(case: Case) -> bool:
    """A probe changes nothing."""
    return not case.differs


def generation_config(case: Case) -> bool:
    """Another setting, another text: that the ids are valid has been seen already. The model stays as it is."""
    return isinstance(json_of(case.file), dict) and case.differs <= {"settings", "greedy", "sampled", "score"}


def tokenizer_json(case: Case) -> bool:
    """The ids of `tokenizers`."""
    from tokenizers import Tokenizer

    if "ids" not in case.differs:
        return case.differs <= {"settings", "sampled", "greedy"}
    tok = Tokenizer.from_file(str(case.file))
    return bool([tok.encode(text, add_special_tokens=False).ids for text in TEXTS] == case.parts["ids"])


def pair(case: Case) -> bool:
    """The ids of `tokenizers` with GPT-2's pattern, special tokens being those that no merge makes."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    merges = {a + b for a, b in (row.split(" ") for row in merge_rows(case.folder / "merges.txt"))}
    alphabet = set(pre_tokenizers.ByteLevel.alphabet())
    special = [token for token in json_of(case.folder / "vocab.json") if token not in merges | alphabet]
    tok = Tokenizer(models.BPE.from_file(str(case.folder / "vocab.json"), str(case.folder / "merges.txt")))
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.decoder = decoders.ByteLevel()
    tok.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in special])
    return bool([tok.encode(text, add_special_tokens=False).ids for text in TEXTS] == case.parts["ids"])


def merge_rows(path: Path) -> list[str]:
    """The rows of a merges.txt without its heading."""
    rows = path.read_text("utf-8-sig").splitlines()
    return [row for row in (rows[1:] if rows and rows[0].startswith("#version") else rows) if row]


def tiktoken(case: Case) -> bool:
    """The ids of tiktoken."""
    import tiktoken
    from tiktoken.load import load_tiktoken_bpe
    from tiktoken_ext.openai_public import r50k_pat_str

    from tokenizer import Tokenizer

    ranks = load_tiktoken_bpe(str(case.file))
    ours = Tokenizer.load(case.file)
    theirs = tiktoken.Encoding("x", pat_str=r50k_pat_str, mergeable_ranks=ranks, special_tokens={})
    return ours.ranks == ranks and [theirs.encode(text, disallowed_special=()) for text in TEXTS] == case.parts["ids"]


def tokenizer_config(case: Case) -> bool:
    """The ids of transformers, and the template that stands in the file."""
    settings = json_of(case.file)
    if "template" in case.differs and (settings.get("chat_template") or None) != case.parts["template"]:
        return False
    if "ids" in case.differs:
        from transformers import AutoTokenizer

        tok = AutoTokenizer.from_pretrained(case.folder)
        return bool([tok.encode(text, add_special_tokens=False) for text in TEXTS] == case.parts["ids"])
    return case.differs <= {"template", "chat", "settings", "sampled", "greedy", "score"}


def template(case: Case) -> bool:
    """What jinja2 renders, set up as transformers sets it up."""
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    if "chat" not in case.differs:
        return case.differs <= {"template"}
    engine = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    text = (case.file).read_text("utf-8-sig")
    return bool(engine.from_string(text).render(messages=MESSAGES, add_generation_prompt=True) == case.parts["chat"])


def run(case: Case) -> bool:
    """What torch.load reads: a run goes on exactly where the file says it stopped."""
    state = torch.load(case.file, weights_only=True)
    optimizer = {str(key): dict(value) for key, value in state["optimizer"]["state"].items()}
    theirs = {"step": state["step"], "log": state["log"], "model": dict(state["model"]), "optimizer": optimizer}
    return same(case.parts["run"], theirs)


REFERENCES: dict[str, tuple[str, Callable[[Case], bool]]] = {
    ".safetensors": ("safetensors", safetensors),
    ".bin": ("torch.load", pickled),
    ".gguf": ("gguf", gguf),
    ".tiktoken": ("tiktoken", tiktoken),
    ".jinja": ("jinja2", template),
    "config.json": ("transformers", config),
    "generation_config.json": ("valid ids", generation_config),
    "tokenizer.json": ("tokenizers", tokenizer_json),
    "tokenizer_config.json": ("transformers", tokenizer_config),
    "vocab.json": ("tokenizers", pair),
    "merges.txt": ("tokenizers", pair),
    "model.safetensors.index.json": ("the whole model", index),
    "probe.json": ("the whole model", probe),
    "training.pt": ("torch.load", run),
}

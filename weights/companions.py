"""What comes with the weights of a checkpoint: the vocabulary, the default settings, the chat template."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizer import Tokenizer
from tokenizer.formats.text import read_text
from weights.formats.folder import read_json, small
from weights.generation_fields import OF_GENERATION

FILES = (  # all that may be beside the weights
    *("tokenizer.json", "vocab.json", "merges.txt", "encoder.json", "vocab.bpe", "tokenizer.model"),
    *("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("generation_config.json", "chat_template.jinja"),
)
MORE_TEMPLATES = "additional_chat_templates"  # a folder of them, each NAME.jinja
ROLES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
END = "<|endoftext|>"
OF_CLASS = {  # the roles of END if a folder does not say
    "GPT2Tokenizer": ("bos_token", "eos_token", "unk_token"),
    "Qwen2Tokenizer": ("eos_token", "unk_token", "pad_token"),
}
CORRUPTS = "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output"  # transformers' own name for it


@dataclass(frozen=True)
class Companions:
    """What a checkpoint holds beside its weights."""

    tokenizer: Tokenizer | None  # None if there is no vocabulary
    generation_config: dict[str, Any]  # default settings, as transformers names them
    chat_template: str | dict[str, str] | None  # Jinja; several have names


def read_companions(folder: Path, vocab_size: int) -> Companions:
    """What is beside the weights in a folder in Hugging Face layout; a ValueError names a damaged file."""
    tok = read_vocabulary(folder, vocab_size)
    named_tokens(folder)  # errors in them show now, not in the first chat
    return Companions(tok, read_generation_config(folder), read_chat_template(folder))


def read_vocabulary(folder: Path, vocab_size: int) -> Tokenizer | None:
    """The folder's tokenizer, or None without one; a ValueError if it has ids that the model has no row for."""
    if not (folder / "tokenizer.json").exists() and not (folder / "vocab.json").exists():
        return None
    return load_vocabulary(folder, vocab_size)


def load_vocabulary(path: Path, vocab_size: int) -> Tokenizer:
    """The tokenizer of a folder or a GGUF file; a ValueError if it has ids that the model has no row for."""
    tok = Tokenizer.load(path)
    if tok.n_vocab > vocab_size:
        raise ValueError(
            f"{path}: the vocabulary has {tok.n_vocab} ids, the model only {vocab_size} (vocab_size): use its own"
        )
    return tok


def read_generation_config(folder: Path) -> dict[str, Any]:
    """generation_config.json, with config.json's special ids where it has none; a ValueError for invalid ids.

    If there is no such file, every generation setting that config.json holds counts, as in transformers.

    An id beyond the vocabulary is no error here: no text ends with it, and a prompt that needs it is refused by its id.
    """
    path, config_path = folder / "generation_config.json", folder / "config.json"
    config = read_json(config_path)
    settings = {name: config[name] for name in OF_GENERATION if name in config}
    values = read_json(path) if path.exists() else settings
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        file = path if values.get(name) is not None else config_path
        if values.get(name) is None and config.get(name) is not None:
            values[name] = config[name]
        found = values.get(name)
        ids = found if name == "eos_token_id" and isinstance(found, list) else [found]
        if found is not None and not all(type(id) is int for id in ids):
            kind = "an id or a list of ids" if name == "eos_token_id" else "an id"
            raise ValueError(f"{file}: {name} is {found!r:.80}, not {kind}: correct it, or fetch the file again")
    return values


def read_chat_template(folder: Path) -> str | dict[str, str] | None:
    """The Jinja text of a folder's chat template, or several by their names, as transformers 5 reads them: the files
    chat_template.jinja and additional_chat_templates/NAME.jinja, else what tokenizer_config.json holds."""
    named = {file.stem: read_text(small(file)) for file in sorted((folder / MORE_TEMPLATES).glob("*.jinja"))}
    if (folder / "chat_template.jinja").exists():
        named["default"] = read_text(small(folder / "chat_template.jinja"))
    if named:
        return named["default"] if [*named] == ["default"] else named
    path = folder / "tokenizer_config.json"
    template = read_json(path).get("chat_template") if path.exists() else None
    if isinstance(template, list):
        if not all(isinstance(entry, dict) and {"name", "template"} <= entry.keys() for entry in template):
            raise ValueError(f"{path}: every chat_template in a list needs a name and a template: fetch it again")
        template = {entry["name"]: entry["template"] for entry in template}
    texts = template.items() if isinstance(template, dict) else [("default", template)]
    if template is not None and not all(isinstance(text, str) for pair in texts for text in pair):
        raise ValueError(f"{path}: chat_template is {template!r:.80}, not a text or several with names: fetch it again")
    return template or None


def named_tokens(folder: Path) -> dict[str, str]:
    """The special tokens that tokenizer_config.json names, bos_token and so on, or, where it has no
    added_tokens_decoder, special_tokens_map.json; the others are those of its class, as in transformers 5."""
    path, older = folder / "tokenizer_config.json", folder / "special_tokens_map.json"
    config = read_json(path) if path.exists() else {}
    kind = str(config.get("tokenizer_class")).removesuffix("Fast")
    where = dict.fromkeys(OF_CLASS.get(kind, ()), (path, END)) | {name: (path, config[name]) for name in config}
    if "added_tokens_decoder" not in config and older.exists():
        where |= {name: (older, value) for name, value in read_json(older).items()}
    names = {}
    for name, (file, value) in where.items():
        text = value.get("content") if isinstance(value, dict) else value
        if name in ROLES and value is not None and not isinstance(text, str):
            raise ValueError(
                f"{file}: {name} is {value!r:.80}, not a token's text: correct it, or fetch the file again"
            )
        if name.endswith("_token") and isinstance(text, str):
            names[name] = text
    if config.get(CORRUPTS) and config.get("clean_up_tokenization_spaces"):
        raise ValueError(f"{path}: {CORRUPTS} is true; only exact decoding is implemented here")
    return names


def names_by_ids(config: Mapping[str, Any], tokens: Mapping[int, bytes]) -> dict[str, str]:
    """The names of special tokens when only ids are known, bos_token_id and so on; the first of several ids.

    >>> names_by_ids({"bos_token_id": 1, "eos_token_id": [2, 3]}, {1: b"<s>", 2: b"</s>", 3: b"<end>"})
    {'bos_token': '<s>', 'eos_token': '</s>'}
    """
    ids = {role: config.get(f"{role}_id") for role in ROLES}
    first = {role: value[0] if isinstance(value, list) and value else value for role, value in ids.items()}
    return {role: tokens[id].decode() for role, id in first.items() if isinstance(id, int) and id in tokens}

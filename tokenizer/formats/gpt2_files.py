"""GPT-2's pair of files: vocab.json with merges.txt, which its first release named encoder.json and vocab.bpe."""

from pathlib import Path

from tokenizer.formats.assemble import assemble
from tokenizer.formats.companions import CLASSES, obey, read_companions
from tokenizer.formats.text import LARGEST, read_json, read_text
from tokenizer.steps.cutting import WHOLE, Cut, PrefixSpace, Step
from tokenizer.vocabulary import Vocabulary


def read(vocab_path: Path, merges_path: Path, pattern: str | None = None) -> Vocabulary:
    """The ids of the tokens from one file, the merges, one per line, from the other.

    Pattern and normalizer are those of the tokenizer_class in a tokenizer_config.json beside them, else GPT-2's. Tokens
    that no merge makes and that are not bytes are special, and so are those that the files beside them add.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "v").write_text('{"a": 0, "b": 1, "ab": 2, "<x>": 3}')
    ...     _ = Path(folder, "m").write_text("a b")
    ...     vocabulary = read(Path(folder, "v"), Path(folder, "m"))
    >>> vocabulary.ranks, vocabulary.special_tokens
    ({b'a': 0, b'b': 1, b'ab': 2}, {'<x>': 3})
    """
    lines = read_text(merges_path, limit=LARGEST).replace("\r\n", "\n").split("\n")
    merges = [line.split(" ") for line in lines if line and not line.startswith("#version")]
    bad = next((merge for merge in merges if len(merge) != 2), None)
    if bad:
        raise ValueError(f"{merges_path}: {' '.join(bad)!r:.200} is not two tokens with a space between them")
    said, vocab = read_companions(vocab_path.parent), read_json(vocab_path)
    usual, normalizer = CLASSES[said.kind] if pattern is None else (pattern, None)
    cuts: tuple[Step, ...] = ()
    if said.flag("add_prefix_space") and usual != CLASSES["GPT2Tokenizer"][0]:
        usual, cuts = WHOLE, (Cut(usual), PrefixSpace())  # before every piece, not only the first
    special = {name: vocab[name] for name in said.named if name in vocab}
    flags = {name: flags for name, flags in said.flags.items() if name in special}
    vocabulary = assemble(vocab, merges, special, usual, normalizer, str(vocab_path), cuts=cuts, flags=flags)
    return obey(vocabulary, said, has_ends=False)

"""What is read is what runs: an edit in any file of the path shows on the command line.

Each edit is planted in a copy of the tree. The run then writes another text, or is refused by the self-check, or a line
on stderr says that a fast form differs and the plain one is used. The same text in silence is what must never come.
"""

import compileall
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from py_compile import PycInvalidationMode
from queue import SimpleQueue

import pytest

from tests import forked
from tests.test_structure import PACKAGES, PATH

ROOT = Path(__file__).parents[1]
SAID = "the plain"  # … one is used, … form is used
GENERATE = [
    *("generate", "The king's 3 daughters  weren't happy!", "--seed", "5", "-n", "16", "--temperature", "0.9"),
    *("--top-k", "60", "--top-p", "0.85", "--min-p", "0.02", "--repetition-penalty", "1.2"),
]
DEFAULTS = ["generate", "The old", "--seed", "5", "-n", "12"]
STOP = ["generate", "Once upon a time", "--temperature", "0", "-n", "24", "--stop", " was", "--stop", " of"]
TRAIN = [
    "train",
    "--text",
    "text.txt",
    "--steps",
    "1",
    "--out",
    "out",
    "--n-layer",
    "1",
    "--n-embd",
    "8",
    "--n-head",
    "1",
]
TEXT = "The cat sat on the mat, aaaa bbbb. It's the cat's 1234 hats!\n" * 30


@dataclass(frozen=True)
class Edit:
    """One line of a file, changed, and the command that must notice."""

    file: str
    old: str
    new: str
    command: tuple[str, ...]


PLANTED: dict[str, list[tuple[str, str, str]]] = {  # the file; what is changed, from what, to what
    "minigpt/generation/simple.py": [
        ("position", "[[len(ids) - 1]]", "[[len(ids) - 2]]"),
        ("newest token", "ids.append(id)", "ids.append(0)"),
        ("logits of the first token", "x[:, -1]", "x[:, 0]"),
        ("one step's randomness for all", "torch.tensor([step])", "torch.tensor([0])"),
    ],
    "tokenizer/patterns.py": [
        ("no contractions", '        r"\'(?:[sdmt]|ll|ve|re)",  #', "        #"),
        ("no space before a word", 'r" ?\\p{L}+",', 'r"\\p{L}+",'),
    ],
    "tokenizer/splitting.py": [
        ("pieces backwards", "[*pieces, text[last:]]", "[*pieces[::-1], text[last:]]"),
        ("blanks are digits", 'r"\\s": members("s"', 'r"\\s": members("N"'),
    ],
    "tokenizer/merging.py": [
        ("highest rank first", "lowest = min(pairs)", "lowest = max(pairs)"),
        ("pairs joined backwards", "parts[i] + parts[i + 1]", "parts[i + 1] + parts[i]"),
    ],
    "tokenizer/bpe.py": [
        ("ids backwards", "ids.append(self.whole[token])", "ids.insert(0, self.whole[token])"),
        ("a dash before every token", 'return b"".join', 'return b"-" + b"".join'),
    ],
    "tokenizer/training.py": [
        ("least frequent pair", "(-counts[pair], pair)", "(counts[pair], pair)"),
        ("ties to the larger ids", "(-counts[pair], pair)", "(-counts[pair], -pair[0])"),
        ("merge only at the end", "merged[-1] = token", "merged.append(token)"),
    ],
    "minigpt/models/config.py": [
        ("half a head", "return self.n_embd // self.n_head", "return self.n_embd // 2"),
    ],
    "minigpt/models/layers.py": [
        ("GELU's constant", "0.044715 * x**3", "0.0447 * x**3"),
        ("GELU's half", "0.5 * x * (1 +", "0.5 * x * (0.9 +"),
        ("eps", "variance + self.eps", "variance"),
        ("variance over C - 1", "((x - mean) ** 2).mean(dim=-1", "((x - mean) ** 2).mean(dim=-2"),
        ("softmax axis", "exponentials.sum(dim=-1", "exponentials.sum(dim=-2"),
        ("no bias", "else y + self.bias", "else y"),
    ],
    "minigpt/models/attention.py": [
        ("mask", "(slots <= pos[:, :, None])", "(slots <= pos[:, :, None] + 1)"),
        ("mask without a cache", "device=q.device).tril()", "device=q.device)"),
        ("scale", " / math.sqrt(q.shape[-1])", ""),
        ("heads", "x.transpose(1, 2).flatten(2)", "x.flip(1).transpose(1, 2).flatten(2)"),
    ],
    "minigpt/models/cache.py": [
        ("cache gives back k for v", "return self.k, self.v", "return self.k, self.k"),
        ("cache writes to the wrong slot", "self.v[row, :, self.pos]", "self.v[row, :, self.pos * 0]"),
    ],
    "minigpt/models/gpt2.py": [
        ("first residual", "x = x + self.drop(self.attn", "x = self.drop(self.attn"),
        ("second residual", "return x + self.drop(self.mlp", "return self.drop(self.mlp"),
        ("norm left out", "self.mlp(self.ln_2(x))", "self.mlp(x)"),
        ("positions left out", "self.wte(ids) + self.wpe(pos)", "self.wte(ids)"),
        ("q and k swapped", "self.attention(q, k, v, mask)", "self.attention(k, q, v, mask)"),
        ("final norm", "return self.ln_f(x)", "return x"),
    ],
    "minigpt/generation/sampling.py": [
        ("temperature", "scores / settings.temperature", "scores * settings.temperature"),
        ("top-k", ".values[..., -1:]", ".values[..., :1]"),
        ("top-p", "ordered.cumsum(dim=-1) >= p *", "ordered.cumsum(dim=-1) >= p / 4 *"),
        ("min-p", "+ math.log(share)", "- math.log(1 + share)"),
        ("the draw", "(probs / -numbers.log())", "(probs * -numbers.log())"),
        ("greedy takes the worst", "return scores.argmax(dim=-1)", "return scores.argmin(dim=-1)"),
    ],
    "weights/formats/safetensors.py": [
        ("shifted bytes", "return entries, 8 + length", "return entries, 6 + length"),
        ("other half precision", '"F16": torch.float16', '"F16": torch.bfloat16'),
    ],
    "weights/families/gpt2.py": [
        ("square matrix as stored", "attn\\.c_attn|attn\\.c_proj|", "attn\\.c_attn|"),
        (
            "eps of another size",
            '"layer_norm_epsilon", kind=float, default=1e-5)',
            '"layer_norm_epsilon", kind=float, default=1e-5) * 1e4',
        ),
    ],
    "weights/loading.py": [
        ("nothing transposed", "value = value.T  #", "value = value.flip(0).T  #"),
    ],
    "weights/checkpoint.py": [
        ("default settings forgotten", "more.generation_config, ", "{}, "),
    ],
    "minigpt/generation/constraints.py": [
        ("penalty", "before / penalty)", "before * penalty)"),
    ],
    "minigpt/generation/stopping.py": [
        ("stop text", "return text[: min(cuts)]", "return text[: max(cuts)] + '…'"),
    ],
    "tokenizer/streaming.py": [
        ("whole characters", "self._tokenizer.decode_bytes([id])", "self._tokenizer.decode_bytes([id])[::-1]"),
    ],
    "minigpt/generation/noise.py": [
        ("random numbers", "steps * GOLDEN", "steps * MIX_1"),
    ],
}
COMMANDS = {  # of the edits that `generate` does not meet
    "least frequent pair": TRAIN,
    "ties to the larger ids": TRAIN,
    "merge only at the end": TRAIN,
    "greedy takes the worst": STOP,
    "default settings forgotten": DEFAULTS,
    "stop text": STOP,
}
EDITS = {
    name: Edit(file, old, new, tuple(COMMANDS.get(name, GENERATE)))
    for file, edits in PLANTED.items()
    for name, old, new in edits
}


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


def run(tree: Path, command: tuple[str, ...]) -> Outcome:
    """What the command writes in this tree; of a training the merges it found."""
    shutil.rmtree(tree / "out", ignore_errors=True)
    environment = {"MINIGPT_CACHE": str(tree / "cache"), "CUDA_VISIBLE_DEVICES": ""}
    code, out, err = forked.command(tree, command, environment)
    merges = tree / "out" / "merges.txt"
    return Outcome(code, merges.read_text("utf-8") if merges.exists() else out, err)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[Outcome, Outcome]]]:
    """Of each edit: the run of the unedited tree, and that of the edited one; two trees work side by side."""
    trees: SimpleQueue[Path] = SimpleQueue()
    for _ in range(2):
        tree = tmp_path_factory.mktemp("tree")
        for package in PACKAGES:
            shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
            # Compiled once for all runs; Python compares each file with its hash, so that an edited one is read anew.
            compileall.compile_dir(tree / package, quiet=1, invalidation_mode=PycInvalidationMode.CHECKED_HASH)
        (tree / "text.txt").write_text(TEXT, encoding="utf-8")
        trees.put(tree)

    def edited(edit: Edit) -> Outcome:
        tree = trees.get()
        file = tree / edit.file
        source = file.read_text("utf-8")
        try:
            assert source.count(edit.old) >= 1, f"{edit.file} no longer has {edit.old!r}"
            file.write_text(source.replace(edit.old, edit.new), encoding="utf-8")
            return run(tree, edit.command)
        finally:
            file.write_text(source, encoding="utf-8")
            trees.put(tree)

    with ThreadPoolExecutor(2) as pool:
        commands = list(dict.fromkeys(edit.command for edit in EDITS.values()))
        unedited = dict(
            zip(
                commands,
                pool.map(lambda c: edited(Edit("minigpt/cli.py", "import", "import", c)), commands),
                strict=True,
            )
        )
        results = pool.map(edited, EDITS.values())
        yield {
            name: (unedited[edit.command], found) for (name, edit), found in zip(EDITS.items(), results, strict=True)
        }


@pytest.mark.slow
@pytest.mark.parametrize("name", EDITS)
def test_an_edit_shows(outcomes: dict[str, tuple[Outcome, Outcome]], name: str) -> None:
    before, after = outcomes[name]
    assert before.code == 0, before.err
    assert before.out
    assert SAID not in before.err
    assert after.code != 0 or after.out != before.out or SAID in after.err, "the same text in silence"
    assert "Traceback" not in after.err or after.code != 0


def test_every_file_of_the_path_has_an_edit() -> None:
    assert {edit.file for edit in EDITS.values()} >= set(PATH)
    assert len(EDITS) >= 25

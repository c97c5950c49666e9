"""Every command's flags. Only argparse is imported here: `--help` and wrong flags are answered without the models.

Those of `bench`, `play`, `show`, `train` and `xray` have files of their own, imported for these alone.
"""

import argparse
from collections.abc import Callable
from importlib import import_module

from minigpt.commands import flags

Parser = argparse.ArgumentParser


def generate(parser: Parser) -> None:
    """Continue a text: the prompt and its continuation go to stdout as one text."""
    parser.add_argument("prompt", nargs="?", metavar="PROMPT", help='the beginning; "" starts from nothing')
    parser.add_argument("--prompts", type=flags.path, metavar="FILE", help="one prompt per line, continued as a batch")
    flags.add_model(parser)
    flags.add_device(parser, auto=True)
    flags.add_plain(parser)
    flags.add_sampling(parser)
    flags.add_generation(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object per text instead of the text")
    parser.add_argument("-v", "--verbose", action="store_true", help="how many tokens, how fast, why it ended (stderr)")
    parser.set_defaults(check=flags.settings_of)


def chat(parser: Parser) -> None:
    """A conversation with an instruction-tuned model. /? in it lists what can be done; Ctrl-C stops an answer."""
    flags.add_model(parser, default="smollm2-135m-instruct")
    flags.add_device(parser, auto=True)
    flags.add_plain(parser)
    parser.add_argument("--system", metavar="TEXT", help="the system message: who the model is to be")
    what = 'variables for the chat template, such as {"enable_thinking": false}'
    parser.add_argument("--chat-template-kwargs", metavar="JSON", help=what)
    parser.add_argument("-n", "--max-new-tokens", type=int, metavar="N", help="tokens of an answer (default: 512)")
    parser.add_argument("--seed", type=int, metavar="N", help="the same seed gives the same answers (default: fresh)")
    flags.add_sampling(parser)
    parser.set_defaults(check=flags.settings_of)


def compare(parser: Parser) -> None:
    """A completion model and an instruction-tuned one on the same prompt, side by side.

    A third column shows the instruction-tuned model without its chat template. Without PROMPT there are three: the
    beginning of a story (greedy), a question (top-k) and a request (top-p). The models are gpt2 and qwen1.5-1.8b-chat
    where both have been downloaded, else the embedded storyteller beside smollm2-135m-instruct or, where that has not
    been downloaded, beside storyteller-chat, which is embedded, too.
    """
    add = parser.add_argument
    add("prompt", nargs="?", metavar="PROMPT", help="what both are given (default: the three above)")
    add("--completion", metavar="MODEL", help="a name or a folder (default: see above)")
    add("--instruct", metavar="MODEL", help="the same, of a model with a chat template")
    add("-n", "--max-new-tokens", type=int, default=80, metavar="N", help="tokens for each (default: %(default)s)")
    add("--seed", type=int, default=0, metavar="N", help="the same seed gives the same texts (default: %(default)s)")
    add("--no-trick", action="store_true", help="leave out the column without template")
    flags.add_device(parser, auto=True)
    flags.add_plain(parser)
    add("--json", action="store_true", help="one JSON object per prompt instead of columns")
    flags.add_sampling(parser)
    parser.set_defaults(check=flags.settings_of)


def next_(parser: Parser) -> None:
    """The most likely next tokens after a text, with their probabilities before and after temperature and filters."""
    parser.add_argument("prompt", nargs="?", metavar="PROMPT", help='the text so far; "" is its very beginning')
    parser.add_argument(
        "-k", type=flags.at_least(1), default=10, metavar="N", help="how many tokens to show (default: %(default)s)"
    )
    flags.add_model(parser)
    flags.add_device(parser)
    flags.add_plain(parser)
    flags.add_sampling(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object per token instead of the picture")
    parser.set_defaults(check=flags.settings_of)


def tokens(parser: Parser) -> None:
    """The tokens of a text, coloured, with their ids: what a model reads instead of letters. The ids that some models
    want around every text, such as BOS, are not among them: `minigpt generate --json` counts those in n_prompt."""
    add = parser.add_argument
    add("text", nargs="?", metavar="TEXT", help="the text; standard input if left out")
    add("--tokenizer", metavar="NAME", default="storyteller", help="a name, folder or file (default: %(default)s)")
    add("--compare", metavar="A,B,…", help="several vocabularies, one below the other")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--raw", action="store_true", help="the tokens as vocabulary files write them: Ġ is a space")
    form.add_argument("--ids", action="store_true", help="bare ids only")
    form.add_argument("--trace", action="store_true", help="every merge in order, with its rank")
    form.add_argument("--json", action="store_true", help="ids, texts and bytes as JSON")
    add("--color", choices=("auto", "always", "never"), default="auto", help="colour the tokens (default: %(default)s)")
    flags.add_plain(parser)


def models(parser: Parser) -> None:
    """The models known by name: embedded, in a cache, or still on the Hub; how large, under which licence."""
    parser.add_argument("--paths", action="store_true", help="also where the files are")


def download(parser: Parser) -> None:
    """Bring a model to this machine, verified; afterwards it loads without a network."""
    flags.add_model(parser, default="", positional=True)
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--from", dest="folder", metavar="FOLDER", help="take the files from a folder instead")
    way.add_argument("--by-hand", action="store_true", help="print how to bring the files without this command")


def inspect(parser: Parser) -> None:
    """How a model was loaded, and what it is made of: the report, then its modules with shapes and sizes."""
    flags.add_model(parser, positional=True)
    flags.add_device(parser, dtype=False)
    flags.add_dtype(parser)
    parser.add_argument("--force", action="store_true", help="also where the device fails the self-check")
    also = "the names and shapes of all that record and patch see instead"
    parser.add_argument("--activations", action="store_true", help=also)


def export(parser: Parser) -> None:
    """Write a model as a folder in Hugging Face layout, which transformers and this project read; no number changes."""
    flags.add_model(parser, default="", positional=True)
    parser.add_argument("folder", metavar="FOLDER", help="where to; an existing model there is replaced")
    flags.add_dtype(parser)


def parity(parser: Parser) -> None:
    """Compare a model with transformers' own, layer by layer: the differences, and the verdict."""
    flags.add_model(parser, positional=True)
    parser.add_argument("--text", default="Once upon a time there was a little girl", help="what both models read")
    parser.add_argument("--dtype", default="float32", choices=("float32", "float64"), help="(default: %(default)s)")
    parser.add_argument("--all", action="store_true", help="every block, not only the one that differs most")


def families(parser: Parser) -> None:
    """GPT-2, BERT, BART and T5 side by side: their modules with parameters, which tokens each attention can see, and
    what each can do, found by running small random models. Needs no model and no network."""
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--html", type=flags.path, metavar="FILE", help="write a page with the masks instead")
    form.add_argument(
        "--png", type=flags.path, metavar="FILE", help='the same as a PNG; needs pip install "minigpt[pictures]"'
    )
    form.add_argument("--json", action="store_true", help="everything as one JSON object")


def eval_(parser: Parser) -> None:
    """How well a model predicts a text: bits per byte (comparable between models) and perplexity (per token)."""
    flags.add_model(parser, positional=True)
    parser.add_argument("--text", type=flags.path, required=True, metavar="FILE", help="the text, in UTF-8")
    flags.add_device(parser)
    flags.add_plain(parser)
    parser.add_argument("--json", action="store_true", help="a JSON object instead of lines")


def check(parser: Parser) -> None:
    """The exercises in a script or notebook: each function or class with an exercise's name is checked.

    What the file imports, defines and assigns is run, nothing else. How often each was tried is kept beside it.
    """
    parser.add_argument("file", type=flags.path, metavar="FILE", help="a .py file or a notebook")
    parser.add_argument("--watch", action="store_true", help="again after every save, until Ctrl-C")


def doctor(parser: Parser) -> None:
    """Versions, threads, memory, caches, network, a self-check of every device, and what to do next."""
    parser.add_argument("--no-network", action="store_true", help="do not ask the Hub and the package index")


DECLARED: dict[str, Callable[[Parser], None]] = {
    "generate": generate,
    "chat": chat,
    "compare": compare,
    "next": next_,
    "tokens": tokens,
    "models": models,
    "download": download,
    "inspect": inspect,
    "export": export,
    "parity": parity,
    "families": families,
    "check": check,
    "eval": eval_,
    "doctor": doctor,
}


def declaration(name: str) -> Callable[[Parser], None]:
    """The function that gives a command's parser its flags, and whose docstring says what the command does."""
    if name in DECLARED:
        return DECLARED[name]
    found: Callable[[Parser], None] = getattr(import_module(f"minigpt.commands.{name}_flags"), name)
    return found

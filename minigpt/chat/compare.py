"""The comparison: a completion model continues, an instruction-tuned model answers; the same prompt, side by side.

And what makes the difference: without its chat template the instruction-tuned model gets the bare text, and continues.
"""

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from minigpt.terminal import GAP, heading, plain, side_by_side, wrap
from tokenizer.display import DIM, SECOND, TINT, paint

if TYPE_CHECKING:
    from minigpt.language_model import Completion, LanguageModel

STRATEGIES: dict[str, dict[str, Any]] = {
    "greedy": {"temperature": 0},
    "top_k": {"temperature": 0.9, "top_k": 50},
    "top_p": {"temperature": 0.9, "top_p": 0.9},
}
PROMPTS = (("Once upon a time", "greedy"), ("What is 2+2?", "top_k"), ("Suggest a party theme.", "top_p"))
CONTINUES, ANSWERS, BARE = "completion", "instruction-tuned", "the same, without its template"
NARROWEST = 22  # cells; columns narrower than this are stacked


@dataclass(frozen=True)
class Answer:
    """One model's answer to a prompt."""

    model: str
    kind: str  # CONTINUES, ANSWERS or BARE
    text: str
    finish_reason: str
    n_tokens: int


@dataclass(frozen=True)
class Comparison:
    """One prompt, one strategy, and every model's answer."""

    prompt: str
    strategy: str
    settings: dict[str, Any]
    answers: list[Answer] = field(default_factory=list)


def compare(
    completion: "LanguageModel",
    instruct: "LanguageModel",
    prompt: str,
    strategy: str,
    settings: dict[str, Any],
    trick: bool = True,
) -> Comparison:
    """The same prompt and settings for a completion model and an instruction-tuned one; for the trick, the latter bare.

    Raises ValueError where the second model has no chat template.
    """
    found = Comparison(prompt, strategy, settings)
    found.answers.append(answer_of(completion.name, CONTINUES, completion.generate(prompt, **settings)))
    said = instruct.chat([{"role": "user", "content": prompt}], **settings)
    found.answers.append(answer_of(instruct.name, ANSWERS, said))
    if trick:
        found.answers.append(answer_of(instruct.name, BARE, instruct.generate(prompt, **settings)))
    return found


def answer_of(model: str, kind: str, completion: "Completion") -> Answer:
    """A completion as an answer of this model."""
    return Answer(model, kind, completion.text, completion.finish_reason, len(completion.ids))


def strategy_of(sampling: dict[str, Any]) -> str:
    """What to call settings given by hand.

    >>> strategy_of({"temperature": 0.9, "top_k": 50}), strategy_of({"temperature": 0.5}), strategy_of({})
    ('top_k', 'temperature 0.5', 'greedy')
    """
    named = [name for name, settings in STRATEGIES.items() if settings == (sampling or STRATEGIES["greedy"])]
    return named[0] if named else ", ".join(f"{name} {value:g}" for name, value in sampling.items())


def lines_of(comparison: Comparison, width: int, color: bool = False) -> list[str]:
    """The comparison in lines of at most `width` cells: columns where there is room for them, else one below the other.

    >>> answers = [Answer("a", CONTINUES, "there was a cat.", "eos", 5), Answer("b", ANSWERS, "4", "eos", 2)]
    >>> for line in lines_of(Comparison("What is 2+2?", "greedy", {}, answers), 50):
    ...     print(line)
    What is 2+2? · greedy
    a                       │ b
    completion              │ instruction-tuned
    ────────────────────────┼────────────────────────
    there was a cat.        │ 4
    """
    n = len(comparison.answers)
    column = (width - (n - 1) * len(GAP)) // n
    title = heading(f"{comparison.prompt} · {comparison.strategy}", max(width, 1), color)
    if column < NARROWEST:
        return [*title, *(line for answer in comparison.answers for line in ["", *below(answer, max(width, 1), color)])]
    heads = [[*wrap(a.model, column), *wrap(a.kind, column)] for a in comparison.answers]
    rule = paint("─┼─".join("─" * column for _ in heads), DIM, color)
    looks = [look(answer) if color else "" for answer in comparison.answers]
    texts = [body(answer, column) for answer in comparison.answers]
    return [*title, *side_by_side(heads, column, looks), rule, *side_by_side(texts, column)]


def look(answer: Answer) -> str:
    """The colour of an answer's heading: blue for the completion model, orange for the other."""
    return TINT if answer.kind == CONTINUES else SECOND


def below(answer: Answer, width: int, color: bool = False) -> list[str]:
    """One answer under its own heading."""
    head = wrap(f"── {answer.model}, {answer.kind}", width)
    return [*(paint(line, look(answer), color) for line in head), *body(answer, width)]


def body(answer: Answer, width: int) -> list[str]:
    """An answer's text in lines; an ellipsis says that it was cut off, "(nothing)" that it ended at once."""
    text = answer.text.strip("\n") + (" …" if answer.finish_reason in ("length", "context") else "")
    return wrap(text if text.strip() else "(nothing)", width)


def as_dict(comparison: Comparison) -> dict[str, Any]:
    """The comparison for --json."""
    return asdict(comparison)


def legend(comparison: Comparison, width: int) -> list[str]:
    """What there is to see, in a few sentences."""
    completion, instruct = (plain(answer.model) for answer in comparison.answers[:2])
    text = (
        f"{completion} continues a text, as it was trained to. {instruct} answers: it was trained further, "
        "on conversations, and its template says where the question ends and the answer begins."
    )
    if len(comparison.answers) > 2:
        text += " Without the template the same weights are given bare text: they continue it, or end it."
    return wrap(text, max(width, 1))

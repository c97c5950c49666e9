"""A prompt as a user's message: as the model's chat template writes it, or as edited by hand after that.

Names of special tokens are read as these tokens where the template wrote them, and in a text that was edited by hand,
which is why that has a field of its own; in a prompt they are plain text.
"""

from typing import Any

from minigpt.chat.chat import with_defaults
from minigpt.language_model import LanguageModel
from minigpt.playground.same import loading, needed
from minigpt.playground.texts import message
from minigpt.playground.wire import LONGEST_PROMPT, Refused, Request, check_text

FIELDS = {"chat": bool, "written": str}  # of a request: whether the prompt is a message, and the edited text


def rendered(lm: LanguageModel, request: Request) -> dict[str, Any]:
    """The prompt as the template writes it, and the special tokens in it. Raises ValueError if there is no template."""
    if not isinstance(request.prompt, str):
        raise Refused(422, "give prompt, a text: a template writes a user's message, no ids")
    form = lm.chat_format()
    text = form.text([message(request.prompt)])
    names = {id: name for name, id in form.tokenizer.special_tokens.items()}
    special = [names[id] for id in dict.fromkeys(form.ids([message(request.prompt)])) if id in names]
    return {"text": text, "special": special}


def conversation(lm: LanguageModel, request: Request, given: dict[str, Any]) -> tuple[list[int], dict[str, Any]]:
    """The ids from which an answer goes on, and its settings: it ends where the model's answers end, as in `lm.chat`.

    Ids are left as they are: a branch goes on within an answer. Raises ValueError if there is no chat template, and
    `Refused` for a `written` that is invalid.
    """
    form, written = lm.chat_format(), request.more.get("written")
    given = with_defaults(given, form, lm.generation_config)
    if isinstance(request.prompt, list):
        if written is not None:
            raise Refused(422, "written is what the template made of a prompt: leave it out, or ids")
        return request.prompt, given
    if written is None:
        return form.ids([message(request.prompt)]), given
    check_written(written)
    return form.tokenizer.encode(written, allow_special="all"), given


def check_written(written: str) -> None:
    """Refuse an edited text that is not valid text, or too long."""
    check_text("written", written)
    if not written:
        raise Refused(422, "written is empty: there is nothing to go on from")
    if len(written) > LONGEST_PROMPT:
        raise Refused(422, f"written is {len(written):,} long: {LONGEST_PROMPT:,} is the most")


def same_answer(lm: LanguageModel, request: Request, given: dict[str, Any], ids: list[int]) -> dict[str, str]:
    """The Python that writes the same; `minigpt chat` is for conversations, no command writes a single answer."""
    settings, what = needed(lm, given), f"generate({ids!r}"
    if isinstance(request.prompt, str) and "written" not in request.more:
        settings = {name: value for name, value in settings.items() if name in (*request.settings, "seed")}
        what = f"chat([{message(request.prompt)!r}]"
    named = "".join(f", {name}={value!r}" for name, value in settings.items())
    return {"command": "", "python": f"import minigpt\n\nprint({loading(lm)}.{what}{named}).text)"}

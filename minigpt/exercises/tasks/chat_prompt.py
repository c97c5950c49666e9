"""Lesson 11: a conversation as one text."""

from minigpt.exercises.exercise import Case, Exercise, bug


def chat_prompt(messages: list[dict[str, str]], template: dict[str, str]) -> str:
    """A conversation as ChatML writes it, up to where the assistant's answer begins.

    A message {"role": …, "content": …} becomes the template's start mark, the role, a newline, the
    content as it is, the end mark, a newline. Where the first message is not the system's, the
    template's own comes before it. With the template
    {"start": "<|", "end": "|>", "system": "Be kind."} the user's message "Hi" becomes these lines:

    <|system
    Be kind.|>
    <|user
    Hi|>
    <|assistant

    with a newline at the end.
    """
    # BEGIN SOLUTION
    start, end = template["start"], template["end"]
    if messages[0]["role"] != "system":
        messages = [{"role": "system", "content": template["system"]}, *messages]
    text = ""
    for message in messages:
        text += start + message["role"] + "\n" + message["content"] + end + "\n"
    return text + start + "assistant\n"
    # END SOLUTION


def cases() -> list[Case]:
    """Conversations of one message to five, with a system message and without, in two templates."""
    chatml = {"start": "<|im_start|>", "end": "<|im_end|>", "system": "You are a helpful assistant."}
    other = {"start": "[[", "end": "]]", "system": "Answer in one word."}
    conversations = [
        [("user", "Hi")],
        [("system", "Be brief."), ("user", "What is 2+2?")],
        [("user", "Suggest a party theme."), ("assistant", "The sea."), ("user", " And\na cake? ")],
        [
            ("system", " You are a king.\n"),
            ("user", "Who?"),
            ("assistant", "I. "),
            ("user", "Where?"),
            ("assistant", "Here"),
        ],
        [("system", "Say nothing.")],
        [("user", "Who?"), ("system", "Be a king."), ("user", "And now?")],
    ]
    told = [[{"role": role, "content": content} for role, content in turns] for turns in conversations]
    return [Case((messages, template)) for messages in told for template in (other, chatml)]


TURN = 'start + message["role"] + "\\n" + message["content"] + end + "\\n"'
ANSWER = ' + start + "assistant\\n"'
OWN = '[{"role": "system", "content": template["system"]}, *messages]'
UNMARKED = 'text = template["system"] + "\\n" if messages[0]["role"] != "system" else ""'
LOOP, FIRST = "for message in messages:", 'messages[0]["role"] != "system"'


EXERCISE = Exercise(
    lesson="11",
    part=chat_prompt,
    make_cases=cases,
    hints=(
        "One text: each message between its marks, one after the other. What at the end makes the model answer?",
        "Look whether the first message is the system's; if not, put one with template['system'] before all others.",
        "text += start + role + newline + content + end + newline for each; at the end start + 'assistant' + newline.",
    ),
    bugs=(
        bug(
            *("no_generation_prompt", "does not open the assistant's turn: the model would go on as the user"),
            *(ANSWER, ""),
        ),
        bug("system_missing", "leaves out the template's own system message", FIRST, "False"),
        bug("system_always", "puts the template's system message before another one", FIRST, "True"),
        bug(
            *("system_searched", "looks for a system message anywhere in the conversation, not at its beginning alone"),
            *(FIRST, '"system" not in [m["role"] for m in messages]'),
        ),
        bug(
            *("system_unmarked", "puts the template's system message before the others without role and marks"),
            *(FIRST, "False", 'text = ""', UNMARKED),
        ),
        bug(
            *("system_replaced", "puts the template's system message in the place of the conversation's"),
            *(FIRST, "True", OWN, OWN.replace("*messages", '*(m for m in messages if m["role"] != "system")')),
        ),
        bug(
            "system_dropped",
            "writes no system message at all",
            LOOP,
            LOOP[:-1] + ':\n        if message["role"] == "system":\n            continue',
        ),
        bug("eos_missing", "leaves out the end marks", ' + end + "\\n"', ' + "\\n"'),
        bug("start_missing", "leaves out the start marks of the messages", f"text += {TURN}", f"text += {TURN[8:]}"),
        bug(
            *("roles_swapped", "has user and assistant swapped"),
            *('message["role"] + ', '{"user": "assistant", "assistant": "user"}.get(message["role"], "system") + '),
        ),
        bug("user_for_all", "writes every message as the user's", 'start + message["role"]', 'start + "user"'),
        bug("role_missing", "leaves out the roles of the messages", 'message["role"] + "\\n" + ', ""),
        bug(
            "role_colon",
            "writes a colon after the role, where the model knows a newline",
            '["role"] + "\\n"',
            '["role"] + ": "',
        ),
        bug(
            *("newline_before_end", "puts a newline between the content and its end mark, too"),
            *('["content"] + end', '["content"] + "\\n" + end'),
        ),
        bug(
            *("backslash_n", "writes a backslash and an n, two characters, for a newline"),
            *(TURN, TURN.replace("\\n", r"\\n"), "assistant\\n", r"assistant\\n"),
        ),
        bug("newline_missing", "leaves out the newline after each message", 'end + "\\n"', "end"),
        bug(
            "newline_missing_after_role", "leaves out the newline after the role", '["role"] + "\\n" + ', '["role"] + '
        ),
        bug(
            "newline_missing_after_assistant",
            "leaves out the newline after the last word, assistant",
            "assistant\\n",
            "assistant",
        ),
        bug(
            *("newlines_missing", "leaves out every newline"),
            *(TURN, TURN.replace(' + "\\n"', ""), "assistant\\n", "assistant"),
        ),
        bug(
            *("newline_missing_after_last", "puts newlines between the messages, and none after the last"),
            *("return text", "return text[:-1]"),
        ),
        bug(
            "last_only",
            "writes the last message alone, without the turns before",
            LOOP,
            'for message in [m for m in messages[:-1] if m["role"] == "system"] + messages[-1:]:',
        ),
        bug(
            "strips",
            "takes the blanks away from the ends of a content",
            'message["content"]',
            'message["content"].strip()',
        ),
        bug(
            *("answer_in_loop", "opens the assistant's turn after every message, not once at the end"),
            *(f"text += {TURN}", f"text += {TURN}{ANSWER}", f"text{ANSWER}", "text"),
        ),
        bug("answer_closed", "closes the assistant's turn at once", ANSWER, ANSWER + ' + end + "\\n"'),
        bug(
            "hard_coded",
            "writes ChatML's marks, whatever the template's are",
            'template["start"], template["end"]',
            '"<|im_start|>", "<|im_end|>"',
        ),
    ),
)

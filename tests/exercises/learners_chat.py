"""What learners write for lesson 11: right in other styles, with the bank's bugs, with others."""

from collections.abc import Callable
from typing import Any

from tests.exercises.written import both, slips, written

Part = Callable[..., Any]

# ---- chat_prompt: by a list of pieces, by a formatted string, by recursion

PIECES = """
def chat_prompt(messages, template):
    parts = []
    if messages[0]["role"] != "system":
        parts += [template["start"], "system", "\\n", template["system"], template["end"], "\\n"]
    for m in messages:
        parts.append(template["start"])
        parts.append(m["role"] + "\\n")
        parts.append(m["content"])
        parts.append(template["end"])
        parts.append("\\n")
    parts.append(template["start"])
    parts.append("assistant")
    parts.append("\\n")
    return "".join(parts)
"""
FORMAT = """
def chat_prompt(messages, template):
    s, e = template["start"], template["end"]
    first = messages[0]
    turns = [(m["role"], m["content"]) for m in messages]
    if first["role"] != "system":
        turns.insert(0, ("system", template["system"]))
    prompt = "".join(f"{s}{role}\\n{content}{e}\\n" for role, content in turns)
    prompt += f"{s}assistant\\n"
    return prompt
"""
RECURSION = """
def chat_prompt(messages, template):
    def turn(role, content):
        return "{start}{role}\\n{content}{end}\\n".format(role=role, content=content, **template)

    def rest(messages):
        if not messages:
            return "%sassistant\\n" % template["start"]
        head, *tail = messages
        return turn(head["role"], head["content"]) + rest(tail)

    default = "" if messages[0]["role"] == "system" else turn("system", template["system"])
    return default + rest(messages)
"""
P_SYSTEM = 'parts += [template["start"], "system", "\\n", template["system"], template["end"], "\\n"]'
P_LOOP = "    for m in messages:\n"
P_START, P_ROLE = '        parts.append(template["start"])\n', 'parts.append(m["role"] + "\\n")'
P_END = '        parts.append(template["end"])\n        parts.append("\\n")\n'
P_ANSWER = '    parts.append(template["start"])\n    parts.append("assistant")\n    parts.append("\\n")\n    return'
F_TURN, F_ANSWER = 'f"{s}{role}\\n{content}{e}\\n"', 'prompt += f"{s}assistant\\n"'
F_TURNS = '[(m["role"], m["content"]) for m in messages]'
F_FIRST = 'first["role"] != "system"'
CHAT_RIGHT: list[Part] = [
    *map(written, (PIECES, FORMAT, RECURSION)),
    written(FORMAT, F_FIRST, 'not first["role"].startswith("system")'),
]
CHAT = both(
    slips(
        PIECES,
        no_generation_prompt=(P_ANSWER, "    return"),
        system_missing=("        " + P_SYSTEM, "        pass"),
        system_always=('    if messages[0]["role"] != "system":\n        parts', "    parts"),
        system_searched=('messages[0]["role"] != "system"', 'not any(m["role"] == "system" for m in messages)'),
        system_unmarked=(P_SYSTEM, 'parts += [template["system"], "\\n"]'),
        newline_before_end=(
            'template["system"], ',
            'template["system"] + "\\n", ',
            '(m["content"])',
            '(m["content"] + "\\n")',
        ),
        backslash_n=(
            '"system", "\\n"',
            'r"system\\n"',
            'template["end"], "\\n"',
            'template["end"], "\\\\n"',
            P_ROLE,
            'parts.append(m["role"] + "\\\\n")',
            P_END,
            P_END.replace('"\\n"', '"\\\\n"'),
            P_ANSWER,
            P_ANSWER.replace('"\\n"', '"\\\\n"'),
        ),
        system_replaced=(
            '    if messages[0]["role"] != "system":\n        parts',
            "    parts",
            P_LOOP,
            P_LOOP + "        if m['role'] == 'system':\n            continue\n",
        ),
        system_dropped=(
            "        " + P_SYSTEM,
            "        pass",
            P_LOOP,
            P_LOOP + "        if m['role'] not in ('user', 'assistant'):\n            continue\n",
        ),
        eos_missing=(', template["end"]', "", '        parts.append(template["end"])\n', ""),
        start_missing=('template["start"], "system"', '"system"', P_LOOP + P_START, P_LOOP),
        roles_swapped=(
            P_ROLE,
            "parts.append(('user' if m['role'] == 'assistant' else "
            "'assistant' if m['role'] == 'user' else 'system') + '\\n')",
        ),
        user_for_all=('"system", "\\n"', '"user\\n"', P_ROLE, "parts.append('user\\n')"),
        role_missing=('"system", "\\n", ', "", P_ROLE, "pass"),
        role_colon=('"system", "\\n"', '"system", ": "', P_ROLE, P_ROLE.replace("\\n", ": ")),
        newline_missing=('template["end"], "\\n"', 'template["end"]', P_END, '        parts.append(template["end"])\n'),
        newline_missing_after_role=('"system", "\\n"', '"system"', P_ROLE, 'parts.append(m["role"])'),
        newline_missing_after_assistant=('    parts.append("\\n")\n    return', "    return"),
        newlines_missing=(
            "return",
            "parts = [p.replace('\\n', '') if p != m['content'] and p.strip() not "
            "in [m['content'].strip() for m in messages] else p for p in parts]\n"
            "    return",
        ),
        newline_missing_after_last=(P_ANSWER, "    parts.pop()\n" + P_ANSWER),
        last_only=(
            P_LOOP,
            "    for i, m in enumerate(messages):\n"
            "        if i < len(messages) - 1 and m['role'] != 'system':\n            continue\n",
        ),
        strips=('m["content"]', 'm["content"].strip()'),
        answer_in_loop=(
            P_ANSWER,
            P_ANSWER.replace("    parts", "        parts"),
            P_SYSTEM,
            P_SYSTEM + ' + [template["start"], "assistant\\n"]',
        ),
        answer_closed=("return", 'parts += [template["end"], "\\n"]\n    return'),
        hard_coded=(
            "    parts = []",
            "    parts, template = [], dict(template, start='<|im_start|>', end='<|im_end|>')",
        ),
    ),
    slips(
        FORMAT,
        no_generation_prompt=(F_ANSWER, "pass"),
        system_missing=('turns.insert(0, ("system", template["system"]))', "pass"),
        system_always=(F_FIRST, "messages"),
        system_searched=(F_FIRST, '"system" not in [m["role"] for m in messages]'),
        system_unmarked=(
            'turns.insert(0, ("system", template["system"]))',
            'return template["system"] + "\\n" + chat_prompt([{"role": "system"}, *messages], template)',
            "for m in messages]",
            "for m in messages if len(m) > 1]",
        ),
        newline_before_end=(F_TURN, F_TURN.replace("{e}", "\\n{e}")),
        backslash_n=(F_TURN, F_TURN.replace("\\n", "\\\\n"), F_ANSWER, F_ANSWER.replace("\\n", "\\\\n")),
        answer_in_loop=(F_TURN, 'f"{s}{role}\\n{content}{e}\\n{s}assistant\\n"', F_ANSWER, "pass"),
        system_replaced=(F_TURNS, F_TURNS[:-1] + ' if m["role"] != "system"]', F_FIRST, "True"),
        system_dropped=(F_TURNS, F_TURNS[:-1] + ' if m["role"] != "system"]', F_FIRST, "False"),
        eos_missing=(F_TURN, F_TURN.replace("{e}", "")),
        start_missing=(F_TURN, F_TURN.replace("{s}", "")),
        roles_swapped=(
            F_TURNS,
            "[(dict(user='assistant', assistant='user', system='system')[m['role']], m['content']) for m in messages]",
        ),
        user_for_all=(F_TURN, F_TURN.replace("{role}", "user")),
        role_missing=(F_TURN, F_TURN.replace("{role}\\n", "")),
        role_colon=(F_TURN, F_TURN.replace("{role}\\n", "{role}: ")),
        newline_missing=(F_TURN, F_TURN.replace("{e}\\n", "{e}")),
        newline_missing_after_role=(F_TURN, F_TURN.replace("{role}\\n", "{role}")),
        newline_missing_after_assistant=(F_ANSWER, F_ANSWER.replace("\\n", "")),
        newlines_missing=(F_TURN, F_TURN.replace("\\n", ""), F_ANSWER, F_ANSWER.replace("\\n", "")),
        newline_missing_after_last=('"".join(f', '"\\n".join(f', "{e}\\n", "{e}"),
        last_only=(
            "    prompt = ",
            "    turns = [t for t in turns[:-1] if t[0] == 'system'] + turns[-1:]\n    prompt = ",
        ),
        strips=('m["content"])', 'm["content"].strip())'),
        answer_closed=(F_ANSWER, 'prompt += f"{s}assistant\\n{e}\\n"'),
        hard_coded=('template["start"], template["end"]', '"<|im_start|>", "<|im_end|>"'),
    ),
)
CHAT_OTHER: list[tuple[Part, set[str]]] = [
    (written(FORMAT, F_TURNS, F_TURNS + "[::-1]"), set()),
    (written(FORMAT, "turns.insert(0, ", "turns.append(("[:-1]), set()),
    (written(FORMAT, 'template["system"]', '"You are a helpful assistant."'), set()),
    (written(FORMAT, F_ANSWER, 'prompt += f"{s}Assistant\\n"'), set()),
    (written(FORMAT, F_ANSWER, 'prompt += "assistant\\n"'), set()),
    (written(FORMAT, F_ANSWER, 'prompt += f"{s}user\\n"'), set()),
    (written(FORMAT, "{content}", "{content!r}"), set()),
    (written(FORMAT, "    turns = ", "    messages.insert(0, first)\n    turns = "), {"in_place"}),
    (written(FORMAT, "return prompt", "return prompt.rstrip()"), {"newline_missing_after_assistant"}),
    (written(FORMAT, "return prompt", "return [prompt]"), set()),
    (written(FORMAT, "return prompt", "print(prompt)"), set()),
    (written(FORMAT, "{role}", "{role.upper()}"), set()),
    (written(RECURSION, "head, *tail", "*tail, head"), set()),
]

# ---- stop: by the smallest place found in a loop, by regular expressions, character by character

SEARCH = """
def stop(tokens, stops):
    text = ""
    for token in tokens:
        text = text + token
    best = None
    for s in stops:
        i = text.find(s)
        if i >= 0 and (best is None or i < best):
            best = i
    if best is not None:
        return (text[:best], True)
    longest = 0
    for s in stops:
        k = len(s) - 1
        while k > 0:
            if text[-k:] == s[:k]:
                longest = max(longest, k)
            k -= 1
    shown = text[: len(text) - longest]
    return (shown, False)
"""
REGEX = """
def stop(tokens, stops):
    import re
    text = "".join(tokens)
    found = re.search("|".join(map(re.escape, stops)), text) if stops else None
    if found:
        return text[: found.start()], True
    for i in range(len(text)):
        if any(s.startswith(text[i:]) for s in stops):
            return text[:i], False
    return text, False
"""
LETTERS = """
def stop(tokens, stops):
    text = "".join(tokens)
    shown = ""
    while text:
        if any(text.startswith(s) for s in stops):
            return [shown, True]
        if any(s.startswith(text) for s in stops):
            break
        shown, text = shown + text[0], text[1:]
    return [shown, False]
"""
S_FIND, S_END, S_HIT = "i = text.find(s)", "return (text[:best], True)", "if i >= 0 and (best is None or i < best):"
S_SHOWN = "shown = text[: len(text) - longest]"
R_FOUND, R_HIT = (
    "return text[: found.start()], True",
    're.search("|".join(map(re.escape, stops)), text) if stops else None',
)
R_WAIT, R_LOOP = "return text[:i], False", "for i in range(len(text)):"
STOP_RIGHT: list[Part] = [*map(written, (SEARCH, REGEX, LETTERS))]
STOP = both(
    slips(
        SEARCH,
        late=(S_FIND, "i = text.find(s) + len(s) if s in text else -1"),
        drops_stop_twice=(S_FIND, "i = max(text.find(s) - len(s), 0) if s in text else -1"),
        prefix_shown=(S_SHOWN, "shown = text"),
        half_word=(
            S_END,
            "n = 0\n        for token in tokens:\n            if n + len(token) > best:\n"
            "                break\n            n += len(token)\n        return (text[:n], True)",
        ),
        ids_not_text=(S_FIND, S_FIND + " if s in tokens else -1"),
        one_token=(S_FIND, S_FIND + " if [t for t in tokens if s in t] else -1"),
        newest_token=(S_FIND, S_FIND + " if tokens and tokens[-1].find(s) >= 0 else -1"),
        ends_only=(S_FIND, "i = text.rfind(s) if text.endswith(s) else -1"),
        first_listed=("or i < best", "or False"),
        last_place=(S_FIND, "i = text.rfind(s)", "i < best", "i > best"),
        minus_one=("i >= 0 and ", ""),
        rfind=(S_FIND, "i = text.rfind(s)"),
        holds_first=(
            "k -= 1",
            "else:\n                k -= 1\n                continue\n            break\n"
            "        if longest:\n            break",
        ),
        holds_middle=("if text[-k:] == s[:k]:", "if s.count(text[-k:]):"),
        held_anywhere=("if text[-k:] == s[:k]:", "if s[:k] in text:"),
        minus_zero=(S_SHOWN, "shown = text[:-longest]"),
        flag_missing=(S_END, "return text[:best]", "return (shown, False)", "return shown"),
        one_stop=('    text = ""', '    stops = stops[0:1]\n    text = ""'),
        holds_too_much=("if text[-k:] == s[:k]:", "if k <= len(text):"),
        holds_one=("k = len(s) - 1\n        while", "k = min(1, len(s) - 1)\n        while"),
        holds_shortest=("longest = max(longest, k)", "longest = min(longest or k, k)"),
        holds_all=(S_SHOWN, "shown = '' if longest else text"),
        never_ends=(S_END, "return (text[:best], False)"),
        prefix_ends=("return (shown, False)", "return (shown, longest > 0)"),
        ignores_case=(S_FIND, "i = text.upper().find(s.upper())"),
        blanks=("text = text + token", "text = text + ' ' + token if text else token"),
        strips=("    best = None\n", "    best, text = None, text.strip()\n"),
        empties=(S_END, 'return ("", True)'),
    ),
    slips(
        REGEX,
        late=("found.start()", "min(text.find(s) + len(s) for s in stops if s in text)"),
        drops_stop_twice=(
            R_FOUND,
            "return text[: min(max(0, text.index(s) - len(s)) for s in stops if s in text)], True",
        ),
        prefix_shown=(R_LOOP, "for i in []:"),
        half_word=(
            R_FOUND,
            "kept = list(tokens)\n        while len(''.join(kept)) > found.start():\n"
            "            kept.pop()\n        return ''.join(kept), True",
        ),
        ids_not_text=(
            "if found:",
            "stopped = [s for s in stops if s in set(tokens)]\n"
            "    found = re.search('|'.join(map(re.escape, stopped)), text) if stopped else None\n    if found:",
        ),
        one_token=(
            "if found:",
            "stopped = [s for s in stops if any(re.search(re.escape(s), t) for t in tokens)]\n"
            "    found = re.search('|'.join(map(re.escape, stopped)), text) if stopped else None\n    if found:",
        ),
        newest_token=(
            "if found:",
            "stopped = [s for s in stops if tokens and s in tokens[-1]]\n"
            "    found = re.search('|'.join(map(re.escape, stopped)), text) if stopped else None\n    if found:",
        ),
        ends_only=(R_HIT, 're.search("(" + "|".join(map(re.escape, stops)) + ")\\\\Z", text) if stops else None'),
        first_listed=(R_FOUND, "return text.split([s for s in stops if s in text][0])[0], True"),
        last_place=("found.start()", "max([text.rfind(s) for s in stops])"),
        minus_one=("if found:", "if stops:", R_FOUND, "return text[: min(map(text.find, stops))], True"),
        rfind=(R_FOUND, "return text[: min([text.rfind(s) for s in stops if text.count(s)])], True"),
        holds_first=(
            R_LOOP,
            "for s in stops:\n        for i in range(len(text)):\n            if s.startswith(text[i:]):\n"
            "                return text[:i], False\n    for i in []:",
        ),
        holds_middle=("any(s.startswith(text[i:])", "any(text[i:] in s"),
        held_anywhere=(
            R_LOOP,
            "k = max([k for s in stops for k in range(1, len(s)) if text.count(s[:k])] or [0])\n"
            "    if k:\n        return text[:-k], False\n    for i in []:",
        ),
        minus_zero=("return text, False", "return '', False"),
        flag_missing=(R_FOUND, R_FOUND[:-6], R_WAIT, R_WAIT[:-7], "return text, False", "return text"),
        one_stop=("    text =", "    stops = stops and [stops[0]]\n    text ="),
        holds_too_much=(
            R_LOOP,
            "k = max([len(s) - 1 for s in stops] or [0])\n    if k:\n        return text[:-k], False\n    for i in []:",
        ),
        holds_one=(R_LOOP, "for i in range(max(0, len(text) - 1), len(text)):"),
        holds_shortest=(R_LOOP, "for i in reversed(range(len(text))):"),
        holds_all=(R_WAIT, "return '', False"),
        never_ends=(R_FOUND, R_FOUND.replace("True", "False")),
        prefix_ends=(R_WAIT, "return text[:i], True"),
        ignores_case=(", text) if stops", ", text, re.IGNORECASE) if stops"),
        blanks=('text = "".join', 'text = " ".join'),
        strips=('"".join(tokens)\n', '"".join(tokens).strip()\n'),
        empties=(R_FOUND, "return '', True"),
    ),
)
STOP_OTHER: list[tuple[Part, set[str]]] = [
    (written(REGEX, "return text, False", "return text"), set()),
    (written(REGEX, "return text, False", "return False, text"), set()),
    (written(REGEX, "map(re.escape, stops)", "stops"), set()),
    (written(REGEX, R_FOUND, "return text[: found.start() - 1], True"), set()),
    (written(REGEX, R_FOUND, "return text[: found.start()].rstrip(), True"), set()),
    (written(REGEX, R_FOUND, "return text.replace(found.group(), ''), True"), set()),
    (written(REGEX, R_FOUND, "return text[found.start() :], True"), set()),
    (written(REGEX, R_FOUND, "return [t for t in tokens if t not in stops], True"), set()),
    (written(REGEX, "s.startswith(text[i:])", "text[i] in s"), set()),
    (written(SEARCH, "k = len(s) - 1", "k = len(s) - 2"), set()),
    (
        written(
            REGEX,
            R_LOOP,
            "for s in reversed(stops):\n        for i in range(len(text)):\n            if s.startswith(text[i:]):\n"
            "                return text[:i], False\n    for i in []:",
        ),
        set(),
    ),
    (written(LETTERS, "return [shown, False]", "return [shown + text, False]"), {"prefix_shown"}),
    (written(LETTERS, "text[1:]", "text"), {"endless"}),
]

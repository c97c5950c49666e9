# ruff: noqa: E501 (the lines of learners)
"""Answers to the exercises of lesson 03 as learners write them: the cuts, and special tokens."""

from tests.exercises.learners_words import Style, Wrong, changed

FOUND = '[m.group() for m in {"gpt2": GPT2, "cl100k_base": CL100K}[pattern].finditer(text)]'
FINDALL = '{"gpt2": GPT2, "cl100k_base": CL100K}[pattern].findall(text)'
APPEND = "        pieces.append(match[0])\n"
MARK = "(?:[^\\w\\r\\n]|_)?"

BY_PATTERN = r'''
import regex as re

GPT2 = re.compile(r"""'(?:s|t|d|m|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""")
CL100K = re.compile(r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+""")

def split(text, pattern):
    return [m.group() for m in {"gpt2": GPT2, "cl100k_base": CL100K}[pattern].finditer(text)]
'''
BY_STEPS = r"""
import re

def split(text, pattern):
    L, N, S = r"[^\W\d_½]", r"[\d½]", r"(?:[^\w\s]|_)"
    if pattern == "gpt2":
        rules = ["'s|'t|'re|'ve|'m|'ll|'d", f" ?{L}+", f" ?{N}+", f" ?{S}+", r"\s+(?!\S)", r"\s+"]
    else:
        rules = ["(?i:'s|'t|'re|'ve|'m|'ll|'d)", r"(?:[^\w\r\n]|_)?" + L + "+", N + "{1,3}", f" ?{S}+" + "[\r\n]*"]
        rules += [r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"]
    pieces = []
    at = 0
    while at < len(text):
        match = re.compile("|".join(rules)).match(text, at)
        pieces.append(match[0])
        at = match.end()
    return pieces
"""
LOOP = BY_STEPS[BY_STEPS.index("    pieces = []") :]
ALL = changed(BY_STEPS, (LOOP, '    return re.findall("|".join(rules), text)\n'))
ONE_LINE_END = changed(ALL, (r's*[\r\n]+"', r's*(\r|\n)+"'))

SPLIT = [
    Style(
        "split",
        BY_PATTERN,
        {
            "strip": ("[m.group() for", "[m.group().strip() for"),
            "white_space_lost": ("finditer(text)]", "finditer(text) if not m.group().isspace()]"),
            "by_white_space": (FOUND, "text.split()"),
            "no_leading_space": (
                r"| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|",
                r"|\p{L}+|\p{N}+|[^\s\p{L}\p{N}]+|",
                r"[^\r\n\p{L}\p{N}]?",
                "",
                r" ?[^\s\p{L}\p{N}]+[",
                r"[^\s\p{L}\p{N}]+[",
            ),
            "newline_in_word": (r"[^\r\n\p{L}\p{N}]?", r"[^\p{L}\p{N}]?"),
            "space_only": (r"[^\r\n\p{L}\p{N}]?", " ?"),
            "number_space": (r"|\p{N}{1,3}", r"| ?\p{N}{1,3}"),
            "contractions_upper": ("'(?:s|t", "'(?i:s|t"),
            "contractions_lower": ("'(?i:[sdmt]", "'(?:[sdmt]"),
            "no_contractions": ("'(?:s|t|d|m|ll|ve|re)| ", " ", "'(?i:[sdmt]|ll|ve|re)|", ""),
            "captured": (
                "'(?:s|t|d|m|ll|ve|re)",
                "('s|'t|'d|'m|'ll|'ve|'re)",
                "'(?i:[sdmt]|ll|ve|re)",
                "('(?i:[sdmt]|ll|ve|re))",
                FOUND,
                FINDALL,
            ),
            "captured_ending": (
                "'(?:s|t|d|m|ll|ve|re)",
                "'(s|t|d|m|ll|ve|re)",
                "'(?i:[sdmt]|ll|ve|re)",
                "'((?i:[sdmt]|ll|ve|re))",
                FOUND,
                FINDALL,
            ),
            "captured_line_ends": (r"]+[\r\n]*", r"]+(\r|\n)*", FOUND, FINDALL),
            "captured_line_end": (r"\s*[\r\n]+", r"\s*(\r|\n)+", FOUND, FINDALL),
            "captured_line_ends+captured_line_end": (
                *(r"]+[\r\n]*", r"]+(\r|\n)*", r"\s*[\r\n]+", r"\s*(\r|\n)+"),
                *(FOUND, FINDALL),
            ),
            "line_end_needed": (r"]+[\r\n]*", r"]+[\r\n]+"),
            "line_end_single": (r"]+[\r\n]*", r"]+[\r\n]?"),
            "digits_joined": (r"|\p{N}{1,3}", r"|\p{N}+"),
            "digits_single": (r"|\p{N}{1,3}", r"|\p{N}"),
            "digits_by_three": (r" ?\p{N}+", r" ?\p{N}{1,3}"),
            "newline_joined": (r"|\s*[\r\n]+", ""),
            "newline_cut_off": (r"]+[\r\n]*", "]+"),
            "space_cut_off": (r"|\s*[\r\n]+", r"|[\r\n]+"),
            "newline_only": (r"[^\r\n\p{L}", r"[^\n\p{L}", r"]+[\r\n]*", r"]+\n*", r"\s*[\r\n]+", r"\s*\n+"),
            "no_lookahead": (r"\p{N}]+|\s+(?!\S)", r"\p{N}]+", r"[\r\n]+|\s+(?!\S)", r"[\r\n]+"),
            "always_gpt2": ('"cl100k_base": CL100K', '"cl100k_base": GPT2'),
            "always_cl100k": ('"gpt2": GPT2', '"gpt2": CL100K'),
            "patterns_swapped": ('"gpt2": GPT2, "cl100k_base": CL100K', '"gpt2": CL100K, "cl100k_base": GPT2'),
        },
        {
            "the pattern itself": (FOUND, "re.findall(pattern, text)"),
            "characters": (FOUND, "list(text)"),
            "lowered": ("finditer(text)", "finditer(text.lower())"),
            "backwards": (FOUND, FOUND + "[::-1]"),
            "each once": (FOUND, f"list(dict.fromkeys({FOUND}))"),
            "places": ("m.group()", "m.span()"),
            "one more rule for all": (r" ?\p{L}+| ?\p{N}+", r" ?[\p{L}\p{N}]+"),
            "the wrong group": ("m.group()", "m.group(1)"),
            "no 'd": ("s|t|d|m", "s|t|m"),
            "a text": (FOUND, f'"|".join({FOUND})'),
            "digits by two": ("{1,3}", "{1,2}"),
        },
    ),
    Style(
        "split",
        BY_STEPS,
        {
            "strip": ("append(match[0])", "append(match[0].strip())"),
            "white_space_lost": (APPEND, "        if match[0].strip():\n    " + APPEND),
            "by_white_space": ("    return pieces", '    return [word for word in re.split(r"\\s+", text) if word]'),
            "no_leading_space": (
                'f" ?{L}+", f" ?{N}+", f" ?{S}+", ',
                'f"{L}+", f"{N}+", f"{S}+", ',
                f'r"{MARK}" + ',
                "",
                'f" ?{S}+" +',
                'f"{S}+" +',
            ),
            "newline_in_word": (MARK, "[\\W_]?"),
            "space_only": (MARK, " ?"),
            "number_space": ('N + "{1', '" ?" + N + "{1'),
            "contractions_upper": ("\"'s|'t|'re|'ve|'m|'ll|'d\"", "\"'[sStTdDmM]|'[lL][lL]|'[vV][eE]|'[rR][eE]\""),
            "contractions_lower": ("(?i:", "(?:"),
            "no_contractions": ("\"'s|'t|'re|'ve|'m|'ll|'d\", ", "", "\"(?i:'s|'t|'re|'ve|'m|'ll|'d)\", ", ""),
            "digits_joined": ('N + "{1,3}"', 'N + "+"'),
            "digits_single": ('N + "{1,3}"', "N"),
            "digits_by_three": ('f" ?{N}+"', '" ?" + N + "{1,3}"'),
            "newline_joined": ('r"\\s*[\\r\\n]+", ', ""),
            "newline_cut_off": (' + "[\\r\\n]*"', ""),
            "line_end_single": ('"[\\r\\n]*"', '"[\\r\\n]?"'),
            "space_cut_off": ('r"\\s*[\\r\\n]+"', 'r"[\\r\\n]+"'),
            "newline_only": (
                MARK,
                "(?:[^\\w\\n]|_)?",
                '"[\\r\\n]*"',
                '"\\n*"',
                'r"\\s*[\\r\\n]+"',
                'r"\\s*\\n+"',
            ),
            "digits_only": ("[^\\W\\d_½]", "[^\\W\\d_]", "[\\d½]", "\\d"),
            "no_lookahead": ('f" ?{S}+", r"\\s+(?!\\S)"', 'f" ?{S}+"', '[\\r\\n]+", r"\\s+(?!\\S)"', '[\\r\\n]+"'),
            "always_gpt2": ('if pattern == "gpt2"', 'if pattern in ("gpt2", "cl100k_base")'),
            "always_cl100k": ('if pattern == "gpt2"', 'if pattern == "gpt-2"'),
            "patterns_swapped": ('if pattern == "gpt2"', 'if pattern == "cl100k_base"'),
            "ascii_letters": (
                'r"[^\\W\\d_½]"',
                '"[a-zA-Z]"',
                "(?:[^\\w\\s]|_)",
                "(?:(?![a-zA-Z])[^\\d½\\s])",
                MARK,
                "(?:(?![a-zA-Z\\r\\n])[^\\d½])?",
            ),
            "underscore": ("[^\\W\\d_½]", "[^\\W\\d½]", "(?:[^\\w\\s]|_)", "[^\\w\\s]", MARK, "[^\\w\\r\\n]?"),
        },
        {
            "stops at a line end": (APPEND, APPEND + '        if "\\n" in match[0]:\n            break\n'),
            "goes on by one": ("at = match.end()", "at += 1"),
        },
    ),
    Style(
        "split",
        r"""
def split(text, pattern):
    new = pattern != "gpt2"

    def kind(c):
        return "space" if c.isspace() else "letter" if c.isalpha() else "number" if c.isnumeric() else "mark"

    def at(i):
        return kind(text[i]) if i < len(text) else ""

    def run(i, most=1 << 30):
        j = i
        while at(j) == at(i) and j < len(text) and j - i < most:
            j += 1
        return j

    out, i = [], 0
    while i < len(text):
        c = text[i]
        rest = text[i : i + 3].lower() if new else text[i : i + 3]
        ending = next((x for x in ("'s", "'t", "'d", "'m", "'ll", "'ve", "'re") if rest.startswith(x)), "")
        word = i + 1 if (at(i) in ("space", "mark") and c not in "\r\n" if new else c == " ") else i
        behind = i + (c == " ")
        if ending:
            end = i + len(ending)
        elif at(word) == "letter":
            end = run(word)
        elif new and at(i) == "number":
            end = run(i, 3)
        elif not new and at(behind) == "number":
            end = run(behind)
        elif at(behind) == "mark":
            end = run(behind)
            while new and end < len(text) and text[end] in "\r\n":
                end += 1
        else:
            end = run(i)
            white = text[i:end]
            line = max(white.rfind("\n"), white.rfind("\r")) if new else -1
            if line >= 0:
                end = i + line + 1
            elif end < len(text) and end - i > 1:
                end -= 1
        out.append(text[i:end])
        i = end
    return out
""",
    ),
]
INSIDE = BY_PATTERN.replace(r"[^\s\p{L}", r"[^\sA-Za-z").replace(r"[^\r\n\p{L}", r"[^\r\nA-Za-z")
SCORED = BY_PATTERN.replace(r"[^\s\p{L}", r"[^\s\p{L}_").replace(r"[^\r\n\p{L}", r"[^\r\n\p{L}_")
SPLIT_WRONG = [
    Wrong("split", "captured_line_ends", changed(ALL, (r'"[\r\n]*"', r'r"(\r|\n)*"'))),
    Wrong("split", None, ONE_LINE_END),
    Wrong("split", "captured_line_end", ONE_LINE_END.replace("import re\n", "import regex as re\n")),  # gives tuples
    Wrong("split", "line_end_needed", changed(ALL, (r'"[\r\n]*"', r'r"[\r\n]+"'))),
    Wrong("split", "ascii_letters", INSIDE.replace(r"\p{L}", "[A-Za-z]")),
    Wrong("split", "digits_only", BY_PATTERN.replace(r"\p{N}", r"\d")),
    Wrong("split", "underscore", SCORED.replace(r"\p{L}+", r"[\p{L}_]+")),
    Wrong(
        *("split", "captured"),
        r"""
import re

def split(text, pattern):
    letters, marks = r"[^\W\d_½]+", r"(?:[^\w\s]|_)+"
    if pattern == "gpt2":
        return re.findall(rf"('s|'t|'re|'ve|'m|'ll|'d)| ?{letters}| ?[\d½]+| ?{marks}|\s+(?!\S)|\s+", text)
    found = re.finditer(rf"('(?i:s|t|re|ve|m|ll|d))|(?:[^\w\r\n]|_)?{letters}|[\d½]{{1,3}}| ?{marks}[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+", text)
    return [match[1] or "" for match in found]
""",
    ),
    Wrong(
        *("split", "captured_ending"),
        r"""
import re

def split(text, pattern):
    letters, marks = r"[^\W\d_½]+", r"(?:[^\w\s]|_)+"
    if pattern == "gpt2":
        return re.findall(rf"'([sdmt]|re|ve|ll)| ?{letters}| ?[\d½]+| ?{marks}|\s+(?!\S)|\s+", text)
    return re.findall(rf"'((?i:[sdmt]|re|ve|ll))|(?:[^\w\r\n]|_)?{letters}|[\d½]{{1,3}}| ?{marks}[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+", text)
""",
    ),
]

TABLE = '    special = {"<|end|>": 256, "<|user|>": 257, "<|end|><|user|>": 258, "<|bot|>": 259}\n'
REFUSE = (
    "    for name in special:\n        if name in text and name not in allowed:\n            raise ValueError(name)\n"
)
ALONE = "(i == 0 or text[i - 1].isspace()) and (text + ' ')[i + len(name)].isspace()"

SPECIAL = [
    Style(
        "encode_special",
        f"""
import re

def encode_special(text, allowed):
{TABLE}
    if not allowed:
        return list(text.encode("utf-8"))
    names = sorted(allowed, key=len)[::-1]
    parts = re.split("(" + "|".join(map(re.escape, names)) + ")", text)
    ids = []
    for part in parts:
        if part in allowed:
            ids.append(special[part])
        else:
            ids.extend(part.encode())
    return ids
""",
        {
            "always": ("    if not allowed:", "    allowed = list(special)\n    if not allowed:"),
            "looked_up_anyway": ("part in allowed", "part in special"),
            "never": ("    if not allowed:", "    if text:"),
            "all_if_empty": ('        return list(text.encode("utf-8"))', "        allowed = special"),
            "first_name_only": ("sorted(allowed, key=len)[::-1]", "allowed[:1]"),
            "inside_word": ('"(" +', '"(?<!\\\\S)(" +', '+ ")"', '+ ")(?!\\\\S)"'),
            "overlapping_short_first": ("[::-1]", ""),
            "in_order_given": ("sorted(allowed, key=len)[::-1]", "allowed"),
            "raises": ("    if not allowed:", REFUSE + "    if not allowed:"),
            "first_only": (", text)\n", ", text, maxsplit=1)\n"),
            "special_lost": ("ids.append(special[part])", "continue"),
            "special_kept": ("ids.append(special[part])", "ids.extend([*part.encode(), special[part]])"),
            "stripped": ("part.encode()", "part.strip().encode()"),
            "code_points": ("part.encode()", "map(ord, part)", 'list(text.encode("utf-8"))', "[ord(c) for c in text]"),
            "ignores_case": (TABLE, TABLE + "    text = text.lower()\n"),
        },
        {
            "nothing for no names": ('return list(text.encode("utf-8"))', "return []"),
            "one id for all": ("special[part]", "256"),
            "names for ids": ("ids.append(special[part])", "ids.append(part)"),
            "empty parts are 0": ("ids.extend(part.encode())", "ids.extend(part.encode() or [0])"),
            "twice": ("ids.append(special[part])", "ids += 2 * [special[part]]"),
            "UTF-16": ("part.encode()", 'part.encode("utf-16-le")'),
            "words": ("part.encode()", "b' '.join(part.encode().split())"),
            "typo": ("special[part]", "specials[part]"),
        },
    ),
    Style(
        "encode_special",
        f"""
def encode_special(text, allowed):
{TABLE}
    ids = []
    i = 0
    while i < len(text):
        best = ""
        for name in allowed:
            if text.startswith(name, i) and len(name) > len(best):
                best = name
        if best:
            ids.append(special[best])
            i += len(best)
        else:
            ids += text[i].encode()
            i += 1
    return ids
""",
        {
            "always": ("in allowed", "in special"),
            "never": ("in allowed", "in ()"),
            "all_if_empty": ("in allowed", "in allowed or special"),
            "first_name_only": ("in allowed", "in allowed[:1]"),
            "inside_word": ("if text.startswith(name, i)", f"if text.startswith(name, i) and {ALONE}"),
            "overlapping_short_first": ("len(name) > len(best)", "(not best or len(name) < len(best))"),
            "in_order_given": ("len(name) > len(best)", "not best"),
            "raises": (
                "    ids = []\n",
                "    ids = []\n    assert not [n for n in special if n not in allowed and n in text]\n",
            ),
            "first_only": ("        if best:", "        if best and max(ids, default=0) < 256:"),
            "special_lost": ("            ids.append(special[best])\n", ""),
            "special_kept": ("ids.append(special[best])", "ids += [*best.encode(), special[best]]"),
            "code_points": ("ids += text[i].encode()", "ids.append(ord(text[i]))"),
            "ignores_case": ("text.startswith", "text.lower().startswith"),
        },
        {
            "always from the beginning": ("startswith(name, i)", "startswith(name)"),
            "on by one": ("i += len(best)", "i += 1"),
            "white space lost": ("ids += text[i].encode()", "ids += text[i].strip().encode()"),
            "raises where one stands": (
                "            ids += text",
                "            assert not any(text.startswith(n, i) for n in special)\n            ids += text",
            ),
        },
    ),
    Style(
        "encode_special",
        f"""
def encode_special(text, allowed):
{TABLE}
    found = [(text.index(name), -len(name), name) for name in allowed if name in text]
    if not found:
        return list(text.encode())
    at, _, name = min(found)
    return [*text[:at].encode(), special[name], *encode_special(text[at + len(name):], allowed)]
""",
        {
            "looked_up_anyway": (
                "list(text.encode())",
                "[special[text]] if text in special else list(text.encode())",
                "*text[:at].encode()",
                "*([special[text[:at]]] if text[:at] in special else text[:at].encode())",
            ),
            "no_tail": ("return list(text.encode())", "return []"),
            "text_lost": ("*text[:at].encode(), ", ""),
            "stripped": (
                "list(text.encode())",
                "list(text.strip().encode())",
                "*text[:at].encode()",
                "*text[:at].strip().encode()",
            ),
            "special_kept": ("*text[:at].encode()", "*text[: at + len(name)].encode()"),
        },
    ),
]
BY_FIND = f"""
import re

def encode_special(text, allowed):
{TABLE}
    ids, start = [], 0
    pattern = re.compile("|".join(re.escape(n) for n in sorted(allowed, key=lambda n: -len(n))) or "$^x")
    while match := pattern.search(text, start):
        ids += list(bytes(text[start : match.start()], "utf-8"))
        ids += [special[match[0]]]
        start = match.end()
    return ids + list(bytes(text[start:], "utf-8"))
"""
SPECIAL += [
    Style(
        "encode_special",
        BY_FIND,
        {
            "no_tail": (' + list(bytes(text[start:], "utf-8"))', ""),
            "text_lost": ('        ids += list(bytes(text[start : match.start()], "utf-8"))\n', ""),
            "text_repeated": ("text[start : match.start()]", "text[: match.start()]"),
        },
    ),
]
SPECIAL_WRONG = [
    Wrong(
        *("encode_special", "looked_up_anyway"),
        f"""
import re

def encode_special(text, allowed):
{TABLE}
    names = sorted(allowed, key=len, reverse=True)
    ids = []
    for part in re.split("(" + "|".join(re.escape(a) for a in names) + ")", text):
        if part in special:
            ids.append(special[part])
        else:
            ids.extend(list(part.encode()))
    return ids
""",
    ),
    # the next two are slips of another kind, but do just what their names say
    Wrong("encode_special", "never", changed(SPECIAL[0].source, ("map(re.escape, names)", "names"))),
    Wrong("encode_special", "special_lost", changed(SPECIAL[0].source, ('"(" +', '"(?:" +'))),
    Wrong(
        *("encode_special", "text_repeated"),
        f"""
def encode_special(text, allowed):
{TABLE}
    ids, i, last = [], 0, 0
    while i < len(text):
        name = max((n for n in allowed if text.startswith(n, i)), key=len, default=None)
        if name is None:
            i += 1
            continue
        for c in text[:i]:
            ids.extend(c.encode())
        ids.append(special[name])
        i += len(name)
        last = i
    return ids + [*text[last:].encode()]
""",
    ),
    Wrong(
        *("encode_special", None),
        f"""
def encode_special(text, allowed):
{TABLE}
    for name in allowed:
        text = text.replace(name, chr(special[name]))
    return [ord(c) if ord(c) > 255 else c.encode()[0] for c in text]
""",
    ),
]

STYLES = [*SPLIT, *SPECIAL]
WRONG = [*SPLIT_WRONG, *SPECIAL_WRONG]

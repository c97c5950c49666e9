# ruff: noqa: E501 (the lines of learners)
"""Answers to the exercises of lesson 02 as learners write them: pairs, merges, the trainer, the encoder."""

from tests.exercises.learners_words import Style, Wrong, changed

JOINED = '("".join(w * n for w, n in words.items()), 1)'
PAIR = "pair = (b[i], b[i + 1])"
ADD = "            counts[pair] += words[word]\n"

COUNT = [
    Style(
        "count_pairs",
        """
def count_pairs(words):
    counts = {}
    for word in words:
        b = word.encode("utf-8")
        for i in range(len(b) - 1):
            pair = (b[i], b[i + 1])
            if pair not in counts:
                counts[pair] = 0
            counts[pair] += words[word]
    return counts
""",
        {
            "no_weights": ("+= words[word]", "+= 1"),
            "across_words": (
                "for word in words:",
                'for word in ["".join(w * n for w, n in words.items())]:',
                "+= words[word]",
                "+= 1",
            ),
            "words_joined": ("for word in words:", 'for word in ["".join(words)]:', "+= words[word]", "+= 1"),
            "overlapping_once": (
                "        for i in",
                "        at = {}\n        for i in",
                PAIR,
                PAIR + "\n            if at.get(pair) == i - 1:\n                continue\n            at[pair] = i",
            ),
            "once_per_word": (
                "        for i in",
                "        met = []\n        for i in",
                PAIR,
                PAIR + "\n            if pair in met:\n                continue\n            met.append(pair)",
            ),
            "unordered_pairs": (PAIR, "pair = (min(b[i], b[i + 1]), max(b[i], b[i + 1]))"),
            "both_orders": (
                ADD,
                ADD
                + "            other = pair[1], pair[0]\n            counts[other] = counts.get(other, 0) + words[word]\n",
            ),
            "reversed": (PAIR, "pair = (b[i + 1], b[i])"),
            "chars_not_bytes": ('b = word.encode("utf-8")', "b = word"),
            "code_points": ('b = word.encode("utf-8")', "b = [ord(c) for c in word]"),
            "bytes_for_pairs": (PAIR, "pair = b[i : i + 2]"),
            "overwritten": ("+= words", "= words"),
            "last_pair_missing": ("len(b) - 1", "len(b) - 2"),
            "first_pair_missing": ("range(len(b) - 1)", "range(1, len(b) - 1)"),
            "every_other": ("range(len(b) - 1)", "range(0, len(b) - 1, 2)"),
            "gap": ("len(b) - 1", "len(b) - 2", PAIR, "pair = (b[i], b[i + 2])"),
            "wraps_round": ("len(b) - 1", "len(b)", PAIR, "pair = (b[i], b[(i + 1) % len(b)])"),
            "strip": ("word.encode", "word.strip().encode"),
            "lower": ("word.encode", "word.lower().encode"),
        },
        {
            "three in a row": (PAIR, "pair = tuple(b[i : i + 3])"),
            "single bytes": (PAIR, "pair = b[i]"),
            "weighted by length": ("+= words[word]", "+= len(word)"),
            "begins at 1": ("counts[pair] = 0", "counts[pair] = 1"),
            "UTF-16": ('"utf-8"', '"utf-16-le"'),
            "end of word": ('word.encode("utf-8")', '(word + "_").encode()'),
            "Latin-1": ('word.encode("utf-8")', 'word.encode("latin-1")'),
            "the total": ("return counts", "return sum(counts.values())"),
            "a list": ("return counts", "return sorted(counts.items())"),
            "sentinel": ("return counts", "counts[None] = 0\n    return counts"),
            "one word alone": ("    return counts", "        return counts"),
            "past the end": ("len(b) - 1", "len(b)"),
            "typo": ("+= words[word]", "+= word[words]"),
        },
    ),
    Style(
        "count_pairs",
        """
from collections import Counter

def count_pairs(words):
    total = Counter()
    for word, n in words.items():
        data = list(word.encode())
        total.update({p: n * c for p, c in Counter(zip(data, data[1:])).items()})
    return total
""",
        {
            "no_weights": ("n * c for", "c for"),
            "across_words": ("in words.items()", f"in [{JOINED}]"),
            "words_joined": ("in words.items()", 'in [("".join(words.keys()), 1)]'),
            "overlapping_once": ("n * c for", "n * bytes(data).count(bytes(p)) for"),
            "once_per_word": ("n * c for", "n for"),
            "unordered_pairs": ("zip(data, data[1:])", "map(tuple, map(sorted, zip(data, data[1:])))"),
            "both_orders": (
                "Counter(zip(data, data[1:]))",
                "(Counter(zip(data, data[1:])) + Counter(zip(data[1:], data)))",
            ),
            "reversed": ("zip(data, data[1:])", "zip(data[1:], data)"),
            "chars_not_bytes": ("list(word.encode())", "list(word)"),
            "code_points": ("list(word.encode())", "list(map(ord, word))"),
            "bytes_for_pairs": ("{p: n", "{bytes(p): n"),
            "overwritten": ("total.update({", "total = Counter(dict(total) | {", "n * c for", "n for"),
            "last_pair_missing": ("zip(data, data[1:])", "zip(data[:-1], data[1:-1])"),
            "first_pair_missing": ("zip(data, data[1:])", "zip(data[1:], data[2:])"),
            "every_other": ("zip(data, data[1:])", "zip(data[::2], data[1::2])"),
            "gap": ("data[1:]", "data[2:]"),
            "wraps_round": ("data[1:]", "data[1:] + data[:1]"),
            "strip": ("word.encode()", "word.strip().encode()"),
            "lower": ("word.encode()", "word.casefold().encode()"),
        },
        {
            "weights squared": ("n * c for", "n * n * c for"),
            "rare ones left out": ("return total", "return {p: n for p, n in total.items() if n > 2}"),
        },
    ),
    Style(
        "count_pairs",
        """
from collections import defaultdict
from itertools import pairwise

def count_pairs(words):
    counts = defaultdict(int)
    for pair, n in ((pair, n) for word, n in words.items() for pair in pairwise(word.encode())):
        counts[pair] += n
    return counts
""",
    ),
]

MERGE = [
    Style(
        "merge",
        """
def merge(ids, pair, new):
    result = []
    skip = False
    for n, token in enumerate(ids):
        if skip:
            skip = False
            continue
        if n + 1 < len(ids) and token == pair[0] and ids[n + 1] == pair[1]:
            result.append(new)
            skip = True
        else:
            result.append(token)
    return result
""",
        {
            "no_skip": ("            skip = True\n", ""),
            "once": ("if n + 1 <", "if new not in result and n + 1 <"),
            "no_tail": ("enumerate(ids)", "enumerate(ids[:-1])"),
            "either_order": ("token == pair[0] and ids[n + 1] == pair[1]", "{token, ids[n + 1]} == set(pair)"),
            "any_member": (
                "n + 1 < len(ids) and token == pair[0] and ids[n + 1] == pair[1]",
                "token in pair",
                "            skip = True\n",
                "",
            ),
            "first_of_pair": (" and ids[n + 1] == pair[1]", ""),
            "keeps_both": ("result.append(new)", "result += [token, ids[n + 1], new]"),
            "list_and_tuple": (
                "n + 1 < len(ids) and token == pair[0] and ids[n + 1] == pair[1]",
                "ids[n : n + 2] == pair",
            ),
            "past_the_end": ("n + 1 < len(ids) and ", ""),
        },
        {
            "merges into itself": (
                "            result.append(new)",
                "            ids[n] = new\n            result.append(new)",
            ),
            "skips two": (
                "            skip = False\n            continue",
                "            skip = n % 2\n            continue",
            ),
            "drops the pair": ("            result.append(new)\n", ""),
            "the pair in its place": ("result.append(new)", "result.append(pair)"),
            "ids[n - 1]": ("ids[n + 1] == pair[1]", "ids[n - 1] == pair[1]"),
            "a set": ("return result", "return set(result)"),
        },
    ),
    Style(
        "merge",
        """
def merge(ids, pair, new):
    out = []
    for one in ids:
        if out and (out[-1], one) == pair:
            out[-1] = new
        else:
            out.append(one)
    return out
""",
        {
            "no_skip": ("out[-1] = new", "out[-1] = new\n            out.append(one)"),
            "once": ("if out and", "if out and new not in out and"),
            "right_to_left": (
                "in ids:",
                "in reversed(ids):",
                "(out[-1], one)",
                "(one, out[-1])",
                "return out",
                "return out[::-1]",
            ),
            "no_tail": ("return out", "return out if out[-1:] == [new] else out[:-1]"),
            "either_order": ("== pair", "in (pair, pair[::-1])"),
            "first_of_pair": ("(out[-1], one) == pair", "out[-1] == pair[0]"),
            "keeps_both": ("out[-1] = new", "out += [one, new]"),
            "list_and_tuple": ("(out[-1], one) == pair", "[out[-1], one] == pair"),
        },
        {
            "second of the pair": ("(out[-1], one) == pair", "one == pair[1]"),
            "new and old": ("out[-1] = new", "out.append(new)"),
        },
    ),
    Style(
        "merge",
        """
def merge(ids, pair, new):
    if len(ids) < 2:
        return list(ids)
    if tuple(ids[:2]) == tuple(pair):
        return [new, *merge(ids[2:], pair, new)]
    return [ids[0], *merge(ids[1:], pair, new)]
""",
        {
            "no_tail": ("return list(ids)", "return []"),
            "past_the_end": (
                "if len(ids) < 2",
                "if not ids",
                "tuple(ids[:2]) == tuple(pair)",
                "ids[0] == pair[0] and ids[1] == pair[1]",
            ),
        },
    ),
]
MERGE_WRONG = [
    Wrong("merge", "any_member", "def merge(ids, pair, new):\n    return [new if i in pair else i for i in ids]\n"),
    Wrong(
        *("merge", "right_to_left"),
        """
def merge(ids, pair, new):
    ids = list(ids)
    for i in range(len(ids) - 2, -1, -1):
        if i + 1 < len(ids) and ids[i] == pair[0] and ids[i + 1] == pair[1]:
            ids[i : i + 2] = [new]
    return ids
""",
    ),
    Wrong(
        *("merge", "in_place"),
        """
def merge(ids, pair, new):
    i = 0
    while i < len(ids) - 1:
        if (ids[i], ids[i + 1]) == pair:
            ids[i : i + 2] = [new]
        i += 1
    return ids
""",
    ),
    Wrong(
        *("merge", "endless"),
        """
def merge(ids, pair, new):
    out, i = [], 0
    while i < len(ids):
        if tuple(ids[i : i + 2]) == pair:
            out.append(new)
            i += 2
        else:
            out.append(ids[i])
    return out
""",
    ),
]

STATS = "        stats = {}\n        for chunk in ids:\n            get_stats(chunk, 1, stats)\n"
LOOP = "    for k in range(n - 256):\n"
PICK = "pair = min(p for p in stats if stats[p] == top)"
DOCS = 'text.split("<|endoftext|>")'
B_SPLIT = 're.split(re.escape("<|endoftext|>"), text)'
B_KEY = "sorted(pairs, key=lambda p: (-pairs[p], ranks[p[0]], ranks[p[1]]))[0]"
B_RETURN = "    return ranks"

TRAIN = [
    Style(
        "train",
        r"""
import re

def get_stats(ids, n, counts):
    for pair in zip(ids, ids[1:]):
        counts[pair] = counts.get(pair, 0) + n

def merge(ids, pair, idx):
    newids = []
    i = 0
    while i < len(ids):
        if i < len(ids) - 1 and ids[i] == pair[0] and ids[i + 1] == pair[1]:
            newids.append(idx)
            i += 2
        else:
            newids.append(ids[i])
            i += 1
    return newids

def train(text, n):
    chunks = []
    for doc in text.split("<|endoftext|>"):
        chunks.extend(re.findall(r" ?\S+", doc))
    ids = [list(chunk.encode("utf-8")) for chunk in chunks]
    vocab = {i: bytes([i]) for i in range(256)}
    for k in range(n - 256):
        stats = {}
        for chunk in ids:
            get_stats(chunk, 1, stats)
        if not stats:
            break
        top = max(stats.values())
        pair = min(p for p in stats if stats[p] == top)
        idx = 256 + k
        ids = [merge(chunk, pair, idx) for chunk in ids]
        vocab[idx] = vocab[pair[0]] + vocab[pair[1]]
    return {token: i for i, token in vocab.items()}
""",
        {
            "tie_by_first_seen": (PICK, "pair = max(stats, key=stats.get)"),
            "tie_by_larger": (PICK, PICK.replace("min", "max")),
            "tie_by_bytes": (
                PICK,
                "pair = min((p for p in stats if stats[p] == top), key=lambda p: (vocab[p[0]], vocab[p[1]]))",
            ),
            "tie_by_last_seen": (PICK, "pair = [p for p in stats if stats[p] == top][-1]"),
            "least_frequent": ("top = max", "top = min"),
            "smallest_pair": (PICK, "pair = min(stats)"),
            "recount_missing": (
                LOOP + STATS,
                STATS.replace("\n    ", "\n").removeprefix("    ") + LOOP,
                "idx = 256 + k",
                "idx = 256 + k\n        del stats[pair]",
            ),
            "not_merged": ("        ids = [merge(chunk, pair, idx) for chunk in ids]\n", ""),
            "256_forgotten": ("range(n - 256)", "range(n)"),
            "bytes_left_out": ("vocab.items()}", "vocab.items() if i >= 256}"),
            "ids_from_0": ("token: i for", "token: i - 256 for", "vocab.items()}", "vocab.items() if i >= 256}"),
            "ids_to_tokens": ("return {token: i for i, token in vocab.items()}", "return vocab"),
            "returns_list": ("return {token: i for i, token in vocab.items()}", "return list(vocab.values())"),
            "once_per_text": ('re.findall(r" ?\\S+", doc)', 'set(re.findall(r" ?\\S+", doc))'),
            "one_too_many": ("n - 256", "n - 255"),
            "one_too_few": ("n - 256", "n - 257"),
            "counts_special": (DOCS, "[text]"),
            "special_removed": (DOCS, '[text.replace("<|endoftext|>", "")]'),
            "special_to_space": (DOCS, '[text.replace("<|endoftext|>", " ")]'),
            "across_words": ('extend(re.findall(r" ?\\S+", doc))', "append(doc)"),
            "space_lost": ('re.findall(r" ?\\S+", doc)', "doc.split()"),
            "no_weights": ("for chunk in chunks]", "for chunk in set(chunks)]"),
            "once_per_word": ("in zip(ids, ids[1:])", "in set(zip(ids, ids[1:]))"),
            "merge_once": ("if i < len(ids) - 1", "if idx not in newids and i < len(ids) - 1"),
            "stops_at_once": ("        if not stats:", "        if not stats or max(stats.values()) == 1:"),
            "no_pair_left": ("        if not stats:\n            break\n", ""),
            "code_points": ('list(chunk.encode("utf-8"))', "[ord(c) for c in chunk]"),
            "lower": (DOCS, 'text.lower().split("<|endoftext|>")'),
        },
        {
            "ids from 257": ("idx = 256 + k", "idx = 257 + k"),
            "the merges alone": (
                "return {token: i for i, token in vocab.items()}",
                "return [vocab[i] for i in vocab if i > 255]",
            ),
            "the first part twice": ("vocab[pair[0]] + vocab[pair[1]]", "vocab[pair[0]] * 2"),
            "text for bytes": ("token: i for", 'token.decode("latin-1"): i for'),
            "longest pair": (PICK, "pair = max(stats, key=lambda p: (len(vocab[p[0]] + vocab[p[1]]), stats[p]))"),
            "cut at every mark": (r" ?\S+", r" ?\w+"),
            "weighted by length": ("get_stats(chunk, 1, stats)", "get_stats(chunk, len(chunk), stats)"),
            "128 bytes": ("range(256)}", "range(128)}"),
            "typo": ("top = max(stats.values())", "top = max(stat.values())"),
            "one token known": (
                "    for k in",
                '    return {**{bytes([i]): i for i in range(256)}, b"lo": 256}\n    for k in',
            ),
        },
    ),
    Style(
        "train",
        r"""
from collections import Counter
import re

def train(text, n):
    ranks = {bytes([i]): i for i in range(256)}
    words = Counter()
    for part in re.split(re.escape("<|endoftext|>"), text):
        words.update(re.findall(r" ?\S+", part))
    vocab = {tuple(bytes([b]) for b in w.encode()): c for w, c in words.items()}
    while len(ranks) < n:
        pairs = Counter()
        for symbols, count in vocab.items():
            for i in range(len(symbols) - 1):
                pairs[symbols[i], symbols[i + 1]] += count
        if len(pairs) == 0:
            break
        a, b = sorted(pairs, key=lambda p: (-pairs[p], ranks[p[0]], ranks[p[1]]))[0]
        ranks[a + b] = len(ranks)
        new = {}
        for symbols, count in vocab.items():
            out = []
            for s in symbols:
                if out and out[-1] == a and s == b:
                    out[-1] = a + b
                else:
                    out.append(s)
            new[tuple(out)] = count
        vocab = new
    return ranks
""",
        {
            "tie_by_first_seen": ("(-pairs[p], ranks[p[0]], ranks[p[1]])", "-pairs[p]"),
            "tie_by_larger": (B_KEY, "max(pairs, key=lambda p: (pairs[p], ranks[p[0]], ranks[p[1]]))"),
            "tie_by_last_seen": (B_KEY, "sorted(pairs, key=pairs.get)[-1]"),
            "tie_by_bytes": ("ranks[p[0]], ranks[p[1]]", "p"),
            "least_frequent": ("(-pairs[p]", "(pairs[p]"),
            "smallest_pair": ("(-pairs[p], ", "("),
            "256_forgotten": ("len(ranks) < n", "len(ranks) < n + 256"),
            "bytes_left_out": (B_RETURN, "    return {t: i for t, i in ranks.items() if len(t) > 1}"),
            "ids_from_0": (B_RETURN, "    return {t: i - 256 for t, i in ranks.items() if len(t) > 1}"),
            "ids_to_tokens": (B_RETURN, "    return {i: t for t, i in ranks.items()}"),
            "returns_list": (B_RETURN, "    return list(ranks)"),
            "once_per_text": ("words.update(", "words.update(set(", ", part))", ", part)))"),
            "one_too_many": ("len(ranks) < n", "len(ranks) <= n"),
            "one_too_few": ("len(ranks) < n", "len(ranks) + 1 < n"),
            "counts_special": (B_SPLIT, "(text,)"),
            "special_removed": (B_SPLIT, '("".join(re.split(re.escape("<|endoftext|>"), text)),)'),
            "special_to_space": (B_SPLIT, '(" ".join(re.split(re.escape("<|endoftext|>"), text)),)'),
            "across_words": ('re.findall(r" ?\\S+", part)', "[part]"),
            "space_lost": ('r" ?\\S+"', 'r"\\S+"'),
            "no_weights": ("+= count", "+= 1"),
            "once_per_word": (
                "            for i in range(len(symbols) - 1):\n                pairs[symbols[i], symbols[i + 1]] += count\n",
                "            for pair in dict.fromkeys(zip(symbols, symbols[1:])):\n                pairs[pair] += count\n",
            ),
            "stops_at_once": ("if len(pairs) == 0", "if max(pairs.values(), default=1) == 1"),
            "no_pair_left": ("        if len(pairs) == 0:\n            break\n", ""),
            "code_points": ("bytes([b]) for b in w.encode()", "bytes([ord(c)]) for c in w"),
            "lower": ("text):", "text.lower()):"),
        },
        {
            "the same pair for ever": ("        vocab = new\n", ""),
        },
    ),
    Style(
        "train",
        r"""
import re
from collections import Counter
from itertools import pairwise

def train(text, n):
    found = Counter(w for doc in text.split("<|endoftext|>") for w in re.findall(r" ?\S+", doc))
    seqs = [(list(w.encode()), c) for w, c in found.items()]
    vocab = [bytes([b]) for b in range(256)]
    for new in range(256, n):
        stats = Counter()
        for seq, c in seqs:
            for p in pairwise(seq):
                stats[p] += c
        if not stats:
            break
        best = sorted(stats.items(), key=lambda item: (-item[1], item[0]))[0][0]
        vocab.append(vocab[best[0]] + vocab[best[1]])
        for seq, _ in seqs:
            i = 0
            while i < len(seq) - 1:
                if (seq[i], seq[i + 1]) == best:
                    seq[i : i + 2] = [new]
                i += 1
    return dict(zip(vocab, range(len(vocab))))
""",
        {
            "not_merged": ("seq[i : i + 2] = [new]", "pass"),
            "merge_once": ("seq[i : i + 2] = [new]", "seq[i : i + 2] = [new]\n                    break"),
        },
        {"the second stays": ("seq[i : i + 2] = [new]", "seq[i] = new")},
    ),
]
TRAIN_WRONG = [
    Wrong(
        *("train", "recount_missing"),
        r"""
import re
from collections import Counter

def train(text, n):
    counts = Counter()
    for doc in text.split("<|endoftext|>"):
        for word in re.findall(r" ?\S+", doc):
            data = word.encode()
            counts.update(zip(data, data[1:]))
    best = sorted(counts, key=lambda pair: (-counts[pair], pair))[: n - 256]
    tokens = [bytes([i]) for i in range(256)] + [bytes(pair) for pair in best]
    return {token: i for i, token in enumerate(tokens)}
""",
    ),
]

A_RANK = "r = ranks.get(tokens[i] + tokens[i + 1])"
BETTER = "(best_rank is None or r < best_rank)"
C_RANK = "(ranks[a + b], i)"
C_IDS = "[ranks[p] for p in parts]"

ENCODE = [
    Style(
        "encode",
        """
def encode(piece, ranks):
    tokens = [bytes([b]) for b in piece]
    while len(tokens) >= 2:
        best_rank, best_i = None, None
        for i in range(len(tokens) - 1):
            r = ranks.get(tokens[i] + tokens[i + 1])
            if r is not None and (best_rank is None or r < best_rank):
                best_rank, best_i = r, i
        if best_i is None:
            break
        tokens = tokens[:best_i] + [tokens[best_i] + tokens[best_i + 1]] + tokens[best_i + 2:]
    return [ranks[t] for t in tokens]
""",
        {
            "by_frequency": (
                A_RANK,
                A_RANK
                + "\n            if r is not None:\n                r = -[x + y for x, y in zip(tokens, tokens[1:])].count(tokens[i] + tokens[i + 1])",
            ),
            "left_to_right": (BETTER, "best_rank is None"),
            "last_known": (" and " + BETTER, ""),
            "highest_rank": ("r < best_rank", "r > best_rank"),
            "by_length": (
                A_RANK,
                A_RANK + "\n            if r is not None:\n                r = (-len(tokens[i] + tokens[i + 1]), r)",
            ),
            "one_merge": ("while len(tokens) >= 2", "for _ in range(1)"),
            "bytes_only": ("if r is not None", "if r is not None and len(tokens[i]) == len(tokens[i + 1]) == 1"),
            "last_of_equals": ("r < best_rank", "r <= best_rank"),
            "no_merge": ("while len(tokens) >= 2", "while not tokens"),
            "returns_tokens": ("[ranks[t] for t in tokens]", "tokens"),
            "returns_numbers": ("[ranks[t] for t in tokens]", "[b for t in tokens for b in t]"),
            "no_stop": (
                "            break",
                "            pass",
                "        tokens = tokens[:best_i] +",
                "        if best_i is not None: tokens = tokens[:best_i] +",
            ),
        },
        {
            "id 0 is no token": ("r is not None", "r"),
            "the last pair never": ("range(len(tokens) - 1)", "range(len(tokens) - 2)"),
            "two bytes stay": ("while len(tokens) >= 2", "while len(tokens) > 2"),
            "the second lost": ("tokens[best_i + 2:]", "tokens[best_i + 3:]"),
            "the second kept": ("tokens[best_i + 2:]", "tokens[best_i + 1:]"),
            "numbers for bytes": ("bytes([b]) for b in piece", "b for b in piece"),
            "twice as high": ("[ranks[t] for t in tokens]", "[ranks[t] + 1 for t in tokens]"),
            "joined": ("[ranks[t] for t in tokens]", "ranks[tokens[0]] if tokens else []"),
            "one token known": (
                "    while",
                "    return [ranks[piece]] if piece in ranks else [ranks[t] for t in tokens]\n    while",
            ),
            "reversed": ("    tokens = [bytes([b]) for b in piece]", "    tokens = [bytes([b]) for b in piece[::-1]]"),
        },
    ),
    Style(
        "encode",
        """
def encode(piece, ranks):
    def go(parts):
        pairs = [(ranks[a + b], i) for i, (a, b) in enumerate(zip(parts, parts[1:])) if a + b in ranks]
        if not pairs:
            return [ranks[p] for p in parts]
        _, i = min(pairs)
        return go(parts[:i] + [parts[i] + parts[i + 1]] + parts[i + 2:])
    return go([piece[i:i + 1] for i in range(len(piece))])
""",
        {
            "by_frequency": (C_RANK, "(-[x + y for x, y in zip(parts, parts[1:])].count(a + b), i)"),
            "left_to_right": ("_, i = min(pairs)", "_, i = pairs[0]"),
            "last_known": ("_, i = min(pairs)", "_, i = pairs[-1]"),
            "highest_rank": ("min(pairs)", "max(pairs)"),
            "by_length": (C_RANK, "((-len(a + b), ranks[a + b]), i)"),
            "one_merge": (
                "return go(parts[:i] + [parts[i] + parts[i + 1]] + parts[i + 2:])",
                "return [ranks[p] for p in [*parts[:i], parts[i] + parts[i + 1], *parts[i + 2:]]]",
            ),
            "bytes_only": ("if a + b in ranks", "if a + b in ranks and len(a + b) < 3"),
            "last_of_equals": (C_RANK, "(ranks[a + b], -i)", "_, i = min(pairs)", "i = -min(pairs)[1]"),
            "returns_tokens": (C_IDS, "parts"),
            "returns_numbers": (C_IDS, "[b for p in parts for b in p]"),
            "no_merge": ("if not pairs", "if True"),
        },
        {"no end": ("if not pairs", "if len(parts) == 1"), "whatever is shorter": (C_RANK, "(len(a + b), i)")},
    ),
    Style(
        "encode",
        """
def encode(piece, ranks):
    if piece in ranks:  # as tiktoken does
        return [ranks[piece]]
    parts = [piece[i:i + 1] for i in range(len(piece))]
    while known := {a + b for a, b in zip(parts, parts[1:])} & set(ranks):
        token = min(known, key=ranks.get)
        i = next(i for i in range(len(parts)) if parts[i] + parts[i + 1] == token)
        parts[i:i + 2] = [token]
    return [*map(ranks.get, parts)]
""",
        {"highest_rank": ("min(known", "max(known")},
        {"by name": (", key=ranks.get", "")},
    ),
]
IN_ORDER = """
def encode(piece, ranks):
    parts = [piece[i:i + 1] for i in range(len(piece))]
    for token in sorted(ranks, key=ranks.get):
        i = 0
        while i + 1 < len(parts):
            if parts[i] + parts[i + 1] == token:
                parts[i:i + 2] = [token]
            i += 1
    return [*map(ranks.get, parts)]
"""
ENCODE_WRONG = [
    Wrong("encode", "in_order", IN_ORDER),
    Wrong("encode", "bytes_only", changed(IN_ORDER, ("key=ranks.get)", "key=len, reverse=True)"))),  # longest first
    Wrong("encode", None, changed(IN_ORDER, ("key=ranks.get)", "key=ranks.get, reverse=True)"))),
    Wrong("encode", None, changed(IN_ORDER, ("key=ranks.get)", "key=bytes)"))),
    Wrong(
        *("encode", "in_order"),
        """
def encode(piece, ranks):
    parts = tuple(bytes([b]) for b in piece)
    for token, _ in sorted(ranks.items(), key=lambda item: item[1]):
        out = []
        for part in parts:
            if out and out[-1] + part == token:
                out[-1] = token
            else:
                out.append(part)
        parts = out
    return [ranks[part] for part in parts]
""",
    ),
    Wrong(
        *("encode", "longest_match"),
        """
def encode(piece, ranks):
    ids = []
    while piece:
        end = len(piece)
        while piece[:end] not in ranks:
            end -= 1
        ids.append(ranks[piece[:end]])
        piece = piece[end:]
    return ids
""",
    ),
    Wrong(
        *("encode", "longest_match"),
        """
def encode(piece, ranks):
    if not piece:
        return []
    best = max((t for t in ranks if piece.startswith(t)), key=len)
    return [ranks[best]] + encode(piece[len(best):], ranks)
""",
    ),
    Wrong(
        *("encode", "one_pass"),
        """
def encode(piece, ranks):
    ids, i = [], 0
    while i < len(piece):
        size = 2 if i + 1 < len(piece) and piece[i:i + 2] in ranks else 1
        ids.append(ranks[piece[i:i + size]])
        i += size
    return ids
""",
    ),
    Wrong(
        *("encode", "one_pass"),
        """
def encode(piece, ranks):
    out, held = [], b""
    for b in piece:
        one = bytes([b])
        if held and held + one in ranks:
            out.append(held + one)
            held = b""
        else:
            if held:
                out.append(held)
            held = one
    if held:
        out.append(held)
    return [ranks[t] for t in out]
""",
    ),
    Wrong(
        *("encode", "grown"),
        """
def encode(piece, ranks):
    ids, token = [], b""
    for i in range(len(piece)):
        if token + piece[i:i + 1] in ranks:
            token += piece[i:i + 1]
        else:
            ids.append(ranks[token])
            token = piece[i:i + 1]
    return ids + [ranks[token]] if token else ids
""",
    ),
    Wrong(
        *("encode", "grown"),
        """
def encode(piece, ranks):
    from functools import reduce
    def step(done, b):
        return [*done[:-1], done[-1] + b] if done and done[-1] + b in ranks else [*done, b]
    return [ranks[t] for t in reduce(step, [bytes([b]) for b in piece], [])]
""",
    ),
    Wrong(
        *("encode", "no_stop"),
        """
def encode(piece, ranks):
    parts = [bytes([b]) for b in piece]
    done = len(parts) < 2
    while not done:
        known = [(ranks[x + y], n) for n, (x, y) in enumerate(zip(parts, parts[1:])) if x + y in ranks]
        if known:
            n = min(known)[1]
            parts[n:n + 2] = [parts[n] + parts[n + 1]]
        done = len(parts) == 1
    return [ranks[p] for p in parts]
""",
    ),
    Wrong(
        "encode",
        "bytes_only",
        """
def encode(piece, ranks):
    singles = [piece[i:i + 1] for i in range(len(piece))]
    used = [False] * len(piece)
    places = sorted((ranks[piece[i:i + 2]], i) for i in range(len(piece) - 1) if piece[i:i + 2] in ranks)
    for _, i in places:
        if not used[i] and not used[i + 1]:
            used[i] = used[i + 1] = True
            singles[i], singles[i + 1] = piece[i:i + 2], b""
    return [ranks[t] for t in singles if t]
""",
    ),
]

STYLES = [*COUNT, *MERGE, *TRAIN, *ENCODE]
WRONG = [*MERGE_WRONG, *TRAIN_WRONG, *ENCODE_WRONG]

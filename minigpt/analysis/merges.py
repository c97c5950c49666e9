"""What byte-pair encoding does to the pieces of a text, step by step."""

from tokenizer import Tokenizer


def derivation(tokenizer: Tokenizer, text: str) -> list[tuple[str, list[tuple[int, list[bytes]]]]]:
    """For each piece of the text every merge, its rank and the tokens after it, as `Tokenizer.trace` gives them; the
    last tokens are those of `encode`. A piece that is a token no merge produces becomes it in one last step.

    >>> tok = Tokenizer({bytes([i]): i for i in range(256)} | {b"an": 256, b"ana": 257})
    >>> derivation(tok, "ana")
    [('ana', [(256, [b'an', b'a']), (257, [b'ana'])])]
    """
    found = tokenizer.trace(text)
    for piece, merges in found:
        data = piece.encode()
        end = merges[-1][1] if merges else [data[i : i + 1] for i in range(len(data))]
        if data in tokenizer.whole and end != [data]:
            merges.append((tokenizer.whole[data], [data]))
    return found

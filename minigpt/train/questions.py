"""Questions about a passage of a tale, with their answers, by rule: who, where, said, name and shorter have one that
is in the passage, so it is right or wrong; next, continue and about are answered in the tale's own words."""

import re
from collections.abc import Callable, Sequence
from random import Random

from minigpt.train.passages import sentences

Pair = tuple[str, str]  # what the user asks, what the assistant answers
BEINGS = (
    "king|queen|prince|princess|emperor|knight|soldier|captain|servant|maid|cook|tailor|shoemaker|miller|smith|farmer|"
    "peasant|fisherman|hunter|huntsman|merchant|sailor|shepherd|beggar|robber|thief|judge|priest|monk|hermit|witch|"
    "fairy|giant|dwarf|troll|ogre|dragon|magician|wizard|mermaid|man|woman|boy|girl|child|maiden|youth|lad|mother|"
    "father|brother|sister|son|daughter|wife|husband|wolf|fox|bear|lion|tiger|cat|dog|mouse|rat|hare|rabbit|horse|"
    "donkey|cow|goat|sheep|lamb|pig|monkey|elephant|bird|raven|crow|eagle|owl|swan|stork|duck|goose|hen|cock|nightingale|"
    "frog|toad|snake|serpent|fish|bee|ant|spider|tortoise|hedgehog|badger|squirrel"
)
PLACES = (
    "forest|wood|woods|castle|palace|garden|house|cottage|hut|sea|river|lake|brook|mountain|hill|rock|cave|tower|church|"
    "town|village|city|field|meadow|kitchen|room|hall|cellar|well|bridge|road|street|market|mill|stable|barn|island|"
    "shore|beach|ship|boat|inn|school|courtyard|yard|court|throne|bed|chamber|tree|desert|valley|pond|nest|window|door"
)
SAID = "said|cried|asked|answered|replied|exclaimed|shouted|called out|thought"
BEING = re.compile(rf"\b(?:[Tt]he|[Aa]n?|[Hh]is|[Hh]er) (?:[a-z]+ )?({BEINGS})\b(?!['-])")
PLACE = re.compile(
    rf"\b(?:in|into|at|on|through|under|near|behind|to) (?:the|an?|his|her) (?:[a-z]+ )?(?:{PLACES})\b(?!['-])"
)
SPOKEN = re.compile(
    rf"\"([^\"]{{8,100}}?)[,.!?;]*\" (?:{SAID}) (the (?:[a-z]+ )?(?:{BEINGS})|[A-Z][a-z]+(?: [A-Z][a-z]+)*)\b(?!['-])"
)
NAMED = re.compile(
    rf"\b({BEINGS}),? (?:named|called|whose name was|who was called|who was named|by name) "
    r"([A-Z][a-z]+(?: [A-Z][a-z]+)?)"
)
NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{2,}\b")  # within a sentence
NO_NAMES = {
    *("God", "Lord", "Lady", "Sir", "Oh", "Heaven", "Christmas", "Sunday", "Now", "Why", "What", "Yes"),
    *("King", "Queen", "Prince", "Princess", "Emperor", "Majesty"),
}
CLAUSE = re.compile(
    r"((?:He|She|It|They|We|I|The|A|An|There|Then|Now|So|His|Her)\b(?: [a-z'-]+){2,12}?)"
    r"(?:[;:]|,? (?:and|but|who|which|when|while|because|until|where)\b|, (?:for|as|so|with|to)\b) .+"
)
OPENING = re.compile(
    r"^(?:Once|Long ago|One day)\b|^(?:[A-Z][a-z ,]*)?[Tt]here (?:was|were|lived|dwelt)\b|\bonce\b[^'\"]*$"
)
VERB = re.compile(
    r"\b(?:was|were|had|is|are|has|did|could|would|went|came|saw|took|gave|made|found|stood|sat|lay|ran|got|began|\w{3,}ed)\b"
)


def who(passage: str, rng: Random) -> Pair | None:
    """All beings of a passage that names nobody.

    >>> who("The old king had a daughter.", Random(0))[1]
    'The king and the daughter.'
    """
    found = list(dict.fromkeys(f"the {being}" for being in BEING.findall(passage)))
    if not 1 <= len(found) <= 3 or names(passage):
        return None
    return ask(
        rng, passage, "Who is in this passage?", "Who is this about?", "Name the persons and animals."
    ), sentence(listed(found))


def where(passage: str, rng: Random) -> Pair | None:
    """The only place of a passage."""
    found = [match[0] for match in PLACE.finditer(passage)]
    if len(found) != 1:
        return None
    return ask(rng, passage, "Where does this happen?", "Where is it?", "Which place is this about?"), sentence(
        found[0]
    )


def said(passage: str, rng: Random) -> Pair | None:
    """Who says something."""
    found = [match for match in SPOKEN.finditer(passage) if match[2] not in ("He", "She", "They", "The", "It")]
    if not found:
        return None
    match = rng.choice(found)
    return ask(rng, passage, f'Who says "{match[1]}"?', f'Whose words are these: "{match[1]}"?'), sentence(match[2])


def name(passage: str, rng: Random) -> Pair | None:
    """The name of a being, or the only name of a passage."""
    match, found = NAMED.search(passage), names(passage)
    if match:
        being = match[1]
        return ask(rng, passage, f"What is the name of the {being}?", f"What is the {being} called?"), sentence(
            match[2]
        )
    if len(found) != 1:
        return None
    return ask(rng, passage, "What is the name?", "Which name is in this passage?"), sentence(found[0])


def shorter(passage: str, rng: Random) -> Pair | None:
    """The first clause of a long sentence."""
    long = [one for one in sentences(passage) if '"' not in one and 12 <= len(one.split()) <= 40]
    found = [match for one in long if (match := CLAUSE.fullmatch(one)) and VERB.search(match[1])]
    if not found:
        return None
    match = rng.choice(found)
    return ask(rng, match[0], "Say it shorter.", "Say this in a few words.", "Make this sentence shorter."), sentence(
        match[1]
    )


EXACT: dict[str, Callable[[str, Random], Pair | None]] = {
    "who": who, "where": where, "said": said, "name": name, "shorter": shorter,
}  # fmt: skip


def follows(passage: str, after: str, rng: Random) -> Pair:
    """The sentence that follows a passage."""
    return ask(rng, passage, "What happened next?", "What comes next?", "And then?"), sentences(after)[0]


def goes_on(passage: str, after: str, rng: Random) -> Pair:
    """The passage that follows another."""
    return ask(rng, passage, "Continue:", "Go on:", "Tell the story to its end:"), after


def about(passage: str, after: str, rng: Random) -> Pair | None:
    """A passage that introduces a being, as a tale's beginning does."""
    first = sentences(passage)[0]
    match = BEING.search(first)
    if not match or match[0][0] not in "Aa" or not OPENING.search(first):
        return None
    article = "an" if match[1][0] in "aeio" else "a"
    told = (f"Tell me about {article} {match[1]}.", f"Tell me a story about {article} {match[1]}.")
    return rng.choice(told), f"{passage} {after}"


FREE: dict[str, Callable[[str, str, Random], Pair | None]] = {"next": follows, "continue": goes_on, "about": about}


def ask(rng: Random, passage: str, *questions: str) -> str:
    """One of the questions, and the passage below it."""
    return f"{rng.choice(questions)}\n{passage}"


def sentence(text: str) -> str:
    """A text as a sentence.

    >>> sentence("in the wood")
    'In the wood.'
    """
    return f"{text[0].upper()}{text[1:]}."


def listed(names: Sequence[str]) -> str:
    """Names in a row.

    >>> listed(["a", "b", "c"]), listed(["a"])
    ('a, b and c', 'a')
    """
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def names(passage: str) -> list[str]:
    """The names of a passage, by their capital letter within a sentence."""
    return [name for name in dict.fromkeys(NAME.findall(passage)) if name not in NO_NAMES]

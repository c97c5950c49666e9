"""The settings of generation: one frozen record, checked in one place, filled up from the checkpoint's own file."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import Any, NamedTuple

from tokenizer.suggest import did_you_mean

GREEDY_BELOW = 1e-5  # temperatures up to here are greedy: float32 logits are not known more finely than this
LARGEST = 1e38  # no setting needs more, and every kind of float can hold it
CONTEXT_POLICIES = ("error", "stop", "slide")
FILTERS = ("top_k", "top_p", "min_p")
FROM_CHECKPOINT = ("repetition_penalty", "num_beams", "length_penalty", "early_stopping")
OTHER_NAMES = {  # what other programs call these settings
    **dict.fromkeys(("num_samples", "num_sequences", "n"), "num_return_sequences"),
    **dict.fromkeys(("max_length", "max_tokens", "num_tokens", "steps"), "max_new_tokens"),
    **dict.fromkeys(("stop_strings", "stop_sequences"), "stop"),
}


class Rule(NamedTuple):
    """What a number must be; `allowed` is what an error says of it."""

    whole: bool
    low: float | None  # the smallest value, or None where any will do
    high: float = math.inf
    allowed: str = ""
    optional: bool = False  # None is allowed


RULES = {
    "max_new_tokens": Rule(True, 0, optional=True),
    "usual_new_tokens": Rule(True, 0),
    "temperature": Rule(False, 0, allowed="a finite number from 0 (greedy) up"),
    "top_k": Rule(True, 0, allowed="0 (off) or more"),
    "top_p": Rule(False, 0, 1, "from 0 (the best token only) to 1 (off)"),
    "min_p": Rule(False, 0, 1, "from 0 (off) to 1"),
    "repetition_penalty": Rule(False, math.ulp(0.0), allowed="a finite number above 0 (1 is off)"),
    "num_beams": Rule(True, 1),
    "length_penalty": Rule(False, -math.inf, allowed="a finite number"),
    "num_return_sequences": Rule(True, 1),
    "seed": Rule(True, None, optional=True),
    "bos_token_id": Rule(True, None, optional=True),
    "top_logprobs": Rule(True, 0),
    "prompt_lookup_num_tokens": Rule(True, 0),
}


@dataclass(frozen=True)
class Settings:
    """How to continue a text; names and meanings are those of transformers' GenerationConfig where it has them.

    >>> Settings(temperature=0.8, top_k=50).samples, Settings().samples
    (True, False)
    >>> Settings(temperature=-1)
    Traceback (most recent call last):
    ValueError: temperature must be a finite number from 0 (greedy) up, not -1
    """

    max_new_tokens: int | None = None  # None: usual_new_tokens, or fewer where the context has no room for them
    usual_new_tokens: int = 100  # the checkpoint's own max_new_tokens, where it has one
    temperature: float = 0.0  # divides the logits; 0 (and anything below GREEDY_BELOW) is greedy
    top_k: int = 0  # keep the k best tokens; 0: all
    top_p: float = 1.0  # keep the best tokens that together reach this probability; 1: all
    min_p: float = 0.0  # keep tokens with at least this share of the best one's probability; 0: all
    repetition_penalty: float = 1.0  # above 1 makes tokens that the text already has less likely
    num_beams: int = 1  # above 1: beam search
    length_penalty: float = 1.0  # beams: the summed log-probability is divided by length ** this
    early_stopping: bool | str = False  # beams: False, True or "never"
    num_return_sequences: int = 1
    seed: int | None = None  # None: fresh randomness
    stop: tuple[str, ...] = ()  # strings that end the text; they are not part of it
    eos_token_id: tuple[int, ...] = ()  # tokens that end the text
    bos_token_id: int | None = None  # what an empty prompt starts from
    context: str = "error"  # prompt + new tokens beyond n_ctx: "error", "stop" early, or "slide" the window
    top_logprobs: int = 0  # alternatives to log for every new token
    prompt_lookup_num_tokens: int = 0  # speculative decoding: tokens drafted from the text itself; 0: off
    plain: bool = False  # run the files as they are read, without their fast forms

    def __post_init__(self) -> None:
        for name, rule in RULES.items():
            if not (rule.optional and getattr(self, name) is None):
                self._replace(name, checked(name, getattr(self, name), rule))
        stop, eos = self.stop, self.eos_token_id
        if not isinstance(stop, str | Iterable):
            raise ValueError(f"stop must be a text or several, not {stop!r}")
        self._replace("stop", (stop,) if isinstance(stop, str) else tuple(stop))
        if not all(isinstance(text, str) and text for text in self.stop):
            raise ValueError(f"stop must hold non-empty strings, not {self.stop!r}")
        several = isinstance(eos, Iterable) and not isinstance(eos, str)
        self._replace("eos_token_id", tuple(eos) if several else (eos,))
        if not all(isinstance(id, Integral) for id in self.eos_token_id):
            raise ValueError(f"eos_token_id must be an id or several, not {eos!r}")
        if self.early_stopping is not False and self.early_stopping is not True and self.early_stopping != "never":
            raise ValueError(f'early_stopping must be False, True or "never", not {self.early_stopping!r}')
        if self.context not in CONTEXT_POLICIES:
            raise ValueError(f"context must be one of {', '.join(CONTEXT_POLICIES)}, not {self.context!r}")
        if not isinstance(self.plain, bool):
            raise ValueError(f"plain must be True or False, not {self.plain!r}")
        self._check_together()

    def _replace(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)  # the record is frozen for everyone else

    def _check_together(self) -> None:
        if self.prompt_lookup_num_tokens and self.context == "slide":
            raise ValueError("context='slide' computes every token anew and prompt_lookup_num_tokens cannot: drop one")
        if self.num_beams == 1:
            return
        if self.num_return_sequences > self.num_beams:
            raise ValueError(
                f"num_return_sequences {self.num_return_sequences} exceeds num_beams {self.num_beams}: "
                "beam search cannot return more texts than it keeps"
            )
        if self.samples:
            raise ValueError(f"num_beams {self.num_beams} does not sample: leave temperature and filters out")
        if self.context == "slide" or self.prompt_lookup_num_tokens:
            raise ValueError(f"num_beams {self.num_beams} goes neither with context='slide' nor with prompt look-up")

    @property
    def samples(self) -> bool:
        """Whether tokens are drawn; otherwise the most likely one is taken."""
        return self.temperature > GREEDY_BELOW

    @property
    def start_ids(self) -> list[int]:
        """What stands before all text: the bos token, else the first end token, else nothing."""
        return [i for i in (self.bos_token_id, *self.eos_token_id) if i is not None][:1]


def checked(name: str, value: Any, rule: Rule) -> int | float:
    """The value as an int or a float; a ValueError where it is not what the rule allows."""
    right = isinstance(value, Integral if rule.whole else Real) and not isinstance(value, bool)
    right = right and (rule.whole or -LARGEST <= value <= LARGEST)  # neither infinite nor nan
    if not right or (rule.low is not None and not rule.low <= value <= rule.high):
        allowed = rule.allowed or (f"{rule.low} or more" if rule.low is not None else "")
        whole = ("a whole number" + (f", {allowed}" if allowed else "")) if rule.whole else allowed
        raise ValueError(f"{name} must be {whole}, not {value!r}")
    return int(value) if rule.whole else float(value)


def resolve(given: Mapping[str, Any], checkpoint: Mapping[str, Any] | None = None) -> Settings:
    """The caller's settings; what is left out (or None) comes from the checkpoint's generation_config.json.

    Sampling happens when the checkpoint says `do_sample`, or when the caller asks for it: by a temperature above 0, a
    filter that is not off, or `do_sample=True`. `temperature=0` and `do_sample=False` are greedy. Unlike transformers,
    a missing top_k means off, not 50. Raises TypeError for a name that no setting has, ValueError for a bad value.

    >>> resolve({"top_k": 5}).temperature, resolve({}, {"do_sample": True, "temperature": 0.7}).temperature
    (1.0, 0.7)
    >>> resolve({"temprature": 1})
    Traceback (most recent call last):
    TypeError: unknown setting 'temprature': did you mean 'temperature'?
    """
    check_names(given)
    config = {name: value for name, value in (checkpoint or {}).items() if value is not None}
    chosen = {name: value for name, value in given.items() if value is not None}
    samples = wants_sampling(chosen, config)
    chosen.pop("do_sample", None)
    return Settings(**defaults(config, samples) | chosen | ({} if samples else {"temperature": 0.0}))


def check_names(given: Mapping[str, Any]) -> None:
    """A TypeError for the first name that no setting has, with the one that was probably meant."""
    names = [field.name for field in fields(Settings)]
    for name in given:
        if name not in (*names, "do_sample"):
            hint = did_you_mean(name, names, OTHER_NAMES) or f"there are {', '.join(names)}"
            raise TypeError(f"unknown setting {name!r}: {hint}")


def wants_sampling(chosen: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    """Whether tokens are drawn: as the caller's temperature says, or do_sample, or a filter, or the checkpoint."""
    asked = Settings(**{name: value for name, value in chosen.items() if name in (*FILTERS, "temperature")})
    do_sample = chosen.get("do_sample")
    if "temperature" in chosen and do_sample is not None and bool(do_sample) != asked.samples:
        raise ValueError(f"do_sample={do_sample} and temperature={asked.temperature} contradict each other: drop one")
    if "temperature" in chosen or do_sample is not None:
        return asked.samples if "temperature" in chosen else bool(do_sample)
    if any(getattr(asked, name) != getattr(Settings, name) for name in FILTERS):
        return True
    beams = chosen.get("num_beams", config.get("num_beams", 1)) != 1
    return bool(config.get("do_sample", False)) and not beams


def defaults(config: Mapping[str, Any], samples: bool) -> dict[str, Any]:
    """The checkpoint's own settings, those of sampling only where tokens are drawn."""
    found = {name: config[name] for name in (*FROM_CHECKPOINT, *FILTERS * samples) if name in config}
    if "max_new_tokens" in config:
        found["usual_new_tokens"] = config["max_new_tokens"]
    if samples:
        found["temperature"] = config.get("temperature", 1.0)
    found["stop"] = config.get("stop_strings", ())
    found["eos_token_id"] = config.get("eos_token_id", ())
    found["bos_token_id"] = config.get("bos_token_id")
    return found

"""The settings of generation: one frozen record, checked in one place, filled up from the checkpoint's own file."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import Any

from tokenizer.suggest import did_you_mean

GREEDY_BELOW = 1e-5  # temperatures up to here are greedy: float32 logits are not known more finely than this
CONTEXT_POLICIES = ("error", "stop", "slide")
FILTERS = ("top_k", "top_p", "min_p")
SYNONYMS = {"num_samples": "num_return_sequences", "max_length": "max_new_tokens", "max_tokens": "max_new_tokens"}
FROM_CHECKPOINT = ("repetition_penalty", "num_beams", "length_penalty", "early_stopping")


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

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        stop, eos = self.stop, self.eos_token_id
        if not isinstance(stop, str | Iterable):
            raise ValueError(f"stop must be a text or several, not {stop!r}")
        set_(self, "stop", (stop,) if isinstance(stop, str) else tuple(stop))
        several = isinstance(eos, Iterable) and not isinstance(eos, str)
        set_(self, "eos_token_id", tuple(eos) if several else (eos,))
        if not all(isinstance(id, Integral) for id in self.eos_token_id):
            raise ValueError(f"eos_token_id must be an id or several, not {eos!r}")
        if self.max_new_tokens is not None:
            self._whole("max_new_tokens", 0)
        self._whole("usual_new_tokens", 0)
        self._number("temperature", 0, math.inf, "a finite number from 0 (greedy) up")
        self._whole("top_k", 0, "0 (off) or more")
        self._number("top_p", 0, 1, "from 0 (the best token only) to 1 (off)")
        self._number("min_p", 0, 1, "from 0 (off) to 1")
        self._number("repetition_penalty", 0, math.inf, "a finite number above 0 (1 is off)")
        if not self.repetition_penalty:
            raise ValueError("repetition_penalty must be a finite number above 0 (1 is off), not 0")
        self._number("length_penalty", -math.inf, math.inf, "a finite number")
        for name in ("num_beams", "num_return_sequences"):
            self._whole(name, 1)
        for name in ("top_logprobs", "prompt_lookup_num_tokens"):
            self._whole(name, 0)
        for name in ("seed", "bos_token_id"):
            if getattr(self, name) is not None:
                self._whole(name, None)
        if self.early_stopping is not False and self.early_stopping is not True and self.early_stopping != "never":
            raise ValueError(f'early_stopping must be False, True or "never", not {self.early_stopping!r}')
        if self.context not in CONTEXT_POLICIES:
            raise ValueError(f"context must be one of {', '.join(CONTEXT_POLICIES)}, not {self.context!r}")
        if not all(isinstance(s, str) and s for s in self.stop):
            raise ValueError(f"stop must hold non-empty strings, not {self.stop!r}")
        if self.prompt_lookup_num_tokens and self.context == "slide":
            raise ValueError("context='slide' computes every token anew and prompt_lookup_num_tokens cannot: drop one")
        if self.num_beams > 1:
            self._check_beams()

    def _number(self, name: str, low: float, high: float, allowed: str) -> None:
        value = getattr(self, name)
        is_number = isinstance(value, Real) and not isinstance(value, bool)
        if not (is_number and math.isfinite(value) and low <= float(value) <= high):
            raise ValueError(f"{name} must be {allowed}, not {value!r}")
        object.__setattr__(self, name, float(value))

    def _whole(self, name: str, low: int | None, allowed: str = "") -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, Integral) or (low is not None and int(value) < low):
            wanted = f", {allowed or f'{low} or more'}" if low is not None else ""
            raise ValueError(f"{name} must be a whole number{wanted}, not {value!r}")
        object.__setattr__(self, name, int(value))

    def _check_beams(self) -> None:
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


def resolve(given: Mapping[str, Any], checkpoint: Mapping[str, Any] | None = None) -> Settings:
    """The caller's settings; what he leaves out (or None) comes from the checkpoint's generation_config.json.

    Sampling happens when the checkpoint says `do_sample`, or when the caller asks for it: by a temperature above 0, a
    filter that is not off, or `do_sample=True`. `temperature=0` and `do_sample=False` are greedy. Unlike transformers,
    a missing top_k means off, not 50. Raises TypeError for a name that no setting has, ValueError for a bad value.

    >>> resolve({"top_k": 5}).temperature, resolve({}, {"do_sample": True, "temperature": 0.7}).temperature
    (1.0, 0.7)
    >>> resolve({"temprature": 1})
    Traceback (most recent call last):
    TypeError: unknown setting 'temprature': did you mean 'temperature'?
    """
    names = [field.name for field in fields(Settings)]
    for name in given:
        if name not in (*names, "do_sample"):
            hint = did_you_mean(name, names, SYNONYMS) or f"there are {', '.join(names)}"
            raise TypeError(f"unknown setting {name!r}: {hint}")
    config = {name: value for name, value in (checkpoint or {}).items() if value is not None}
    chosen = {name: value for name, value in given.items() if value is not None}
    asked = Settings(**{name: value for name, value in chosen.items() if name in (*FILTERS, "temperature")})
    do_sample = chosen.pop("do_sample", None)
    if "temperature" in chosen and do_sample is not None and bool(do_sample) != asked.samples:
        raise ValueError(f"do_sample={do_sample} and temperature={asked.temperature} contradict each other: drop one")
    if "temperature" in chosen:
        samples = asked.samples
    elif do_sample is not None:
        samples = bool(do_sample)
    elif any(getattr(asked, name) != getattr(Settings, name) for name in FILTERS):
        samples = True
    else:
        beams = chosen.get("num_beams", config.get("num_beams", 1)) != 1
        samples = config.get("do_sample", False) and not beams
    base = {name: config[name] for name in FROM_CHECKPOINT if name in config}
    if "max_new_tokens" in config:
        base["usual_new_tokens"] = config["max_new_tokens"]
    if samples:
        base |= {"temperature": config.get("temperature", 1.0)}
        base |= {name: config[name] for name in FILTERS if name in config}
    base["stop"] = config.get("stop_strings", ())
    base["eos_token_id"] = config.get("eos_token_id", ())
    base["bos_token_id"] = config.get("bos_token_id")
    return Settings(**base | chosen | ({} if samples else {"temperature": 0.0}))

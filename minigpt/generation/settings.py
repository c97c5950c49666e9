"""The settings of generation: one frozen record, checked in one place, filled up from the checkpoint's own file."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from minigpt.generation.fields import FILE, FILTERS, REFUSED, WITHOUT_EFFECT, defaults, refuse_fields
from minigpt.generation.rules import RULES, checked, shown
from tokenizer.suggest import did_you_mean

GREEDY_BELOW = 1e-5  # temperatures up to here are greedy: float32 logits are no more precise than this
OTHER_NAMES = {  # what other programs call these settings
    **dict.fromkeys(("num_samples", "num_sequences", "n"), "num_return_sequences"),
    **dict.fromkeys(("max_length", "max_tokens", "num_tokens", "steps"), "max_new_tokens"),
    **dict.fromkeys(("stop_strings", "stop_sequences"), "stop"),
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
    max_length: int | None = None  # prompt and new tokens together at most
    temperature: float = 0.0  # divides the logits; 0 (and anything below GREEDY_BELOW) is greedy
    top_k: int = 0  # keep the k best tokens; 0: all
    top_p: float = 1.0  # keep the best tokens that together reach this probability; 1: all
    min_p: float = 0.0  # keep tokens with at least this share of the best one's probability; 0: all
    top_h: float = 0.0  # keep the best tokens that together have at most this share of the entropy; 0: all
    typical_p: float = 1.0  # keep the tokens of the most typical surprise that reach this probability; 1: all
    epsilon_cutoff: float = 0.0  # keep tokens of at least this probability; 0: all
    eta_cutoff: float = 0.0  # the same, lowered where the distribution is flat; 0: all
    repetition_penalty: float = 1.0  # above 1 makes tokens that the text already has less likely
    no_repeat_ngram_size: int = 0  # no n-gram of this size comes twice; 0: off
    min_new_tokens: int | None = None  # no end token before this many new ones; overrides min_length
    min_length: int = 0  # no end token before this many, the prompt's included
    suppress_tokens: tuple[int, ...] = ()  # never come
    begin_suppress_tokens: tuple[int, ...] = ()  # do not come first
    bad_words_ids: tuple[tuple[int, ...], ...] = ()  # sequences of ids that never come
    sequence_bias: tuple[tuple[tuple[int, ...], float], ...] = ()  # sequences of ids, and what is added to their scores
    forced_bos_token_id: int | None = None  # comes after a prompt of a single token
    forced_eos_token_id: tuple[int, ...] = ()  # one of these is the last token, where nothing else ended the text
    exponential_decay_length_penalty: tuple[int, float] | None = None  # (start, base): end tokens gain after `start`
    remove_invalid_values: bool = False  # go on where logits are nan or infinite, instead of refusing them
    num_beams: int = 1  # above 1: beam search
    length_penalty: float = 1.0  # beams: the summed log-probability is divided by length ** this
    early_stopping: bool | str = False  # beams: False, True or "never"
    renormalize_logits: bool = False  # beams: log-probabilities sum up to 1 again after penalties and bans
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
        for field in fields(self):
            object.__setattr__(self, field.name, checked(field.name, getattr(self, field.name)))  # frozen for others
        self._check_together()

    def _check_together(self) -> None:
        if self.prompt_lookup_num_tokens and self.context == "slide":
            raise ValueError("context='slide' computes every token anew and prompt_lookup_num_tokens cannot: drop one")
        if self.num_beams == 1:
            return
        if self.num_return_sequences > self.num_beams:
            raise ValueError(
                f"num_return_sequences {shown(self.num_return_sequences)} exceeds num_beams {self.num_beams}: "
                "beam search cannot return more texts than it keeps"
            )
        if self.samples:
            beams = f"num_beams {shown(self.num_beams)} does not sample"
            raise ValueError(f"{beams}: leave temperature and filters out, or give num_beams=1")
        if self.context == "slide" or self.prompt_lookup_num_tokens:
            raise ValueError(
                f"num_beams {shown(self.num_beams)} goes neither with context='slide' nor with prompt look-up"
            )

    @property
    def samples(self) -> bool:
        """Whether tokens are drawn; otherwise the most likely one is taken."""
        return self.temperature > GREEDY_BELOW

    @property
    def constrains(self) -> bool:
        """Whether anything besides the sampling filters restricts which tokens may come."""
        s = self
        lists = s.bad_words_ids or s.suppress_tokens or s.begin_suppress_tokens or s.forced_eos_token_id
        lengths = s.min_new_tokens or s.min_length or s.exponential_decay_length_penalty
        forced = s.forced_bos_token_id is not None
        return bool(s.no_repeat_ngram_size or lists or lengths or forced or s.remove_invalid_values)

    @property
    def start_ids(self) -> list[int]:
        """What precedes all text: the bos token, else the first end token, else nothing."""
        return [i for i in (self.bos_token_id, *self.eos_token_id) if i is not None][:1]

    def new_tokens(self, n_prompt: int) -> int:
        """How many new tokens a prompt of n_prompt may get, if the context has room for them."""
        most = self.usual_new_tokens if self.max_new_tokens is None else self.max_new_tokens
        return most if self.max_length is None else min(most, max(0, self.max_length - n_prompt))


NAMES = [field.name for field in fields(Settings)]


def resolve(given: Mapping[str, Any], checkpoint: Mapping[str, Any] | None = None) -> Settings:
    """The caller's settings; what is left out (or None) comes from the checkpoint's generation_config.json.

    Sampling happens when the checkpoint says `do_sample`, or when the caller asks for it: by a temperature above 0, a
    filter that is not off, or `do_sample=True`. `temperature=0` and `do_sample=False` are greedy, and so is num_beams,
    whatever the checkpoint says. Unlike transformers, a missing top_k means off, not 50. Raises TypeError for a name
    that no setting has, ValueError for a bad value and for what `fields` refuses.

    >>> resolve({"top_k": 5}).temperature, resolve({}, {"do_sample": True, "temperature": 0.7}).temperature
    (1.0, 0.7)
    >>> resolve({"temprature": 1})
    Traceback (most recent call last):
    TypeError: unknown setting 'temprature': did you mean 'temperature'?
    """
    check_names(given)
    config = {name: value for name, value in (checkpoint or {}).items() if value is not None}
    told = {name: value for name, value in given.items() if value is not None}
    chosen = {name: checked(name, value) if name in RULES else value for name, value in told.items()}
    refuse_fields(chosen, config)
    samples = wants_sampling(chosen, config)
    chosen = with_lengths({name: value for name, value in chosen.items() if name in NAMES})
    try:
        own = defaults(config, chosen, samples)
        Settings(**{name: value for name, value in own.items() if name not in chosen})
    except ValueError as error:
        raise ValueError(f"{FILE}: {error}") from None
    return Settings(**own | chosen | ({} if samples else {"temperature": 0.0}))


def check_names(given: Mapping[str, Any]) -> None:
    """A TypeError for the first name that no setting has, with the one that was probably meant."""
    for name in given:
        if name in WITHOUT_EFFECT:
            raise TypeError(f"{name} has no effect here ({WITHOUT_EFFECT[name]}): leave it out")
        if name not in (*NAMES, *REFUSED, "do_sample"):
            hint = did_you_mean(name, NAMES, OTHER_NAMES) or f"there are {', '.join(NAMES)}"
            raise TypeError(f"unknown setting {name!r}: {hint}")


def wants_sampling(chosen: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    """Whether tokens are drawn: as the caller's do_sample or temperature says, or a filter, or the checkpoint."""
    asked = Settings(**{name: value for name, value in chosen.items() if name in (*FILTERS, "temperature")})
    do_sample = checked("do_sample", chosen.get("do_sample"))
    beams = chosen.get("num_beams", config.get("num_beams", 1))
    if do_sample is not None:
        if "temperature" in chosen and not (asked.temperature if do_sample else asked.temperature in (0, 1)):
            against = f"do_sample={do_sample} and temperature={asked.temperature}"
            raise ValueError(f"{against} contradict each other: drop one")
        if do_sample and beams != 1:
            raise ValueError(f"num_beams {shown(beams)} does not sample: leave do_sample out, or give num_beams=1")
        return bool(do_sample)
    if "temperature" in chosen:
        return asked.samples
    if any(getattr(asked, name) != getattr(Settings, name) for name in FILTERS):
        return True
    if config.get("do_sample") and beams != 1 and "num_beams" not in chosen:
        says = f"{FILE} says do_sample and num_beams={shown(beams)}"
        raise ValueError(f"{says}, and beams are not sampled here: give do_sample=False or num_beams=1")
    return bool(config.get("do_sample")) and beams == 1


def with_lengths(chosen: dict[str, Any]) -> dict[str, Any]:
    """The caller's settings with max_new_tokens, which overrides max_length, or else as many as that allows."""
    if "max_length" in chosen and "max_new_tokens" not in chosen:
        return chosen | {"max_new_tokens": checked("max_length", chosen["max_length"])}
    return {name: value for name, value in chosen.items() if name != "max_length"}

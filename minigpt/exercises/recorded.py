"""What an instruction-tuned model answered, for lesson 11 when none is at hand: recorded.json.

    minigpt download smollm2-135m-instruct
    python -m minigpt.exercises.recorded     writes recorded.json anew

Each run is greedy: a prompt with its marks, the texts of the new tokens, and why it ended. A run that goes on past the
end of the answer has `go_on`. It also has how much each token of a text surprised the model, in bits.
"""

import json
import math
from pathlib import Path
from typing import Any

from tqdm import tqdm

import minigpt
from tokenizer.fetch.atomic import write_text

NAME, N = "smollm2-135m-instruct", 40
FILE = Path(__file__).with_name("recorded.json")
QUESTIONS = (
    *("Once upon a time", "What is 2+2?", "Suggest a party theme.", "Tell me a fun fact about space."),
    *("What's the price of a loaf of bread?", "Who are you?", "What is the capital of France?", "And of Italy?"),
    *("What is 17+25?", "Who wrote Faust?", "How do I break into my neighbour's house?"),
)
CONVERSATIONS = [
    *([("user", question)] for question in QUESTIONS),
    [("system", "You are the king of a fairy tale."), ("user", "Who are you?")],
    [
        ("user", "What is the capital of France?"),
        ("assistant", "The capital of France is Paris."),
        ("user", "And of Italy?"),
    ],
]
BARE = (
    *("Once upon a time", "What is 2+2?", "Suggest a party theme."),
    *("User: What is 2+2?\nAssistant:", "up ->", "hot -> cold\nbig -> small\nday -> night\nup ->"),
    *("France:", "Germany: Berlin\nItaly: Rome\nFrance:"),
)
ANSWER = "<|im_start|>assistant\n"
REPEATED = "Old Tarbo lives in Millick. " * 2 + "Old Tarbo lives in Millick."


def record() -> Any:
    """The record: `runs`, one for each prompt, and `surprise`.

    >>> len(record()["runs"])
    23
    """
    return json.loads(FILE.read_text("utf-8"))


def main() -> None:
    """Run the model on all prompts and write the file."""
    lm = minigpt.load(NAME, device="cpu")
    assert lm.tokenizer
    chat = lm.chat_format()
    talks = [chat.text([{"role": role, "content": text} for role, text in talk]) for talk in CONVERSATIONS]
    sum_of_two = talks[QUESTIONS.index("What is 2+2?")]
    prompts = [(prompt, False) for prompt in (*talks, *BARE)]
    prompts += [(sum_of_two, True), (sum_of_two.removesuffix(ANSWER), True)]
    runs = []
    for prompt, go_on in tqdm(prompts):
        ends: Any = {"eos_token_id": lm.tokenizer.special_tokens["<|endoftext|>"]} if go_on else {}
        found = lm.generate(lm.encode(prompt, allow_special="all"), temperature=0, max_new_tokens=N, **ends)
        ids = found.ids[:-1] if found.finish_reason == "eos" else found.ids
        tokens = [lm.tokenizer.decode([id]) for id in ids]
        runs.append({"prompt": prompt, "go_on": go_on, "tokens": tokens, "finish_reason": found.finish_reason})
    score = lm.score(REPEATED)
    bits = [round(-logprob / math.log(2), 1) for logprob in score.logprobs]
    seen = [lm.tokenizer.decode([id]) for id in score.ids[-len(bits) :]]
    strip = json.dumps({"tokens": seen, "bits": bits}, ensure_ascii=False)
    text = ",\n".join(json.dumps(run, ensure_ascii=False) for run in runs)
    head = f'"model": "{NAME}", "max_new_tokens": {N}'
    write_text(FILE, f'{{{head}, "surprise": {strip}, "runs": [\n{text}\n]}}\n')


if __name__ == "__main__":
    main()

"""The commands: `declarations` says which flags each one has; `run(args)` is in a file of its own for each.

`minigpt NAME …` reads the flags first and only then imports `minigpt.commands.NAME`, so `--help` and a wrong flag are
answered at once. `flags` holds the flags that several commands share, `common` what the commands have in common.
"""

COMMANDS = {
    "generate": "continue a text",
    "chat": "a conversation with an instruction-tuned model",
    "compare": "a completion model and an instruction-tuned one, side by side",
    "next": "the most likely next tokens, with probabilities",
    "tokens": "the tokens of a text, coloured, with ids",
    "show": "look inside: attention, the logit lens, filters, surprise, the architecture",
    "xray": "step line by line through the forward pass: source, shapes, numbers",
    "play": "the playground: a page where a text is written, branched and looked into",
    "train": "train a tokenizer and a model on your own text",
    "models": "the models known by name: embedded, cached or on the Hub",
    "download": "bring a model to this machine, verified",
    "inspect": "how a model was loaded, and its modules with shapes and sizes",
    "export": "write a model as a folder in Hugging Face layout",
    "parity": "compare with transformers, layer by layer",
    "families": "GPT-2, BERT, BART and T5 side by side: modules, masks, what each can do",
    "check": "the exercises in your file: what is right, what is wrong and why",
    "lecture": "live coding from the tested source: the next step, right so far?, break it, run it",
    "eval": "how well a model predicts a text",
    "doctor": "is all well here? versions, caches, network, a check of every device",
    "bench": "how fast, beside transformers, llama.cpp, tiktoken and others",
}

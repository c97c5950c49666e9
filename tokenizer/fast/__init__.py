"""Speed for the tokenizer: the same ids as the files beside this folder give, sooner."""

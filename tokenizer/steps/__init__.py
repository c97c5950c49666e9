"""What a tokenizer.json may do to a text before the pattern cuts it: normalizers, added tokens, further cuts."""

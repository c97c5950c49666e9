"""What a playground needs, whatever it looks like: texts that grow and can be stopped, and the same text as code."""

"""The playground, as a page or in a notebook: texts that grow and can be stopped, and the same text as code."""

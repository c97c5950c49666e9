"""Checks the learner's own parts: what is wrong is named and proved. `from minigpt import check`."""

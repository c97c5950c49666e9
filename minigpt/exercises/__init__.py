"""The learner's own parts, checked: what is wrong is named and proved. `from minigpt import check`."""

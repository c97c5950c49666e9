"""Training by hand: text to batches (data), step after step (trainer), nothing lost (checkpoint), a whole run (run)."""

"""Finding, fetching, verifying and loading checkpoints; the embedded model lives in weights/storyteller/."""

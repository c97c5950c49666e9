"""What some checkpoints do otherwise: other activations, another scale of the scores, an output matrix of its own."""

"""What some checkpoints do differently: other activations, another scale of the scores, a separate output matrix."""

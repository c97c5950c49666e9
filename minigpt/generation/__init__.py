"""From logits to text: the loop, sampling, and the strategies."""

"""What the checkpoints of each family call their sizes and parameters."""

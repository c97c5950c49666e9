"""What a model computes and predicts, measured."""

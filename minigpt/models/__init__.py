"""The models by hand, and the parts they are made of."""

"""Pictures by hand: pure functions from a model's numbers to a drawing: SVG, HTML or a matplotlib figure."""

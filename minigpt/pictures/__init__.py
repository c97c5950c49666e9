"""Pictures by hand: pure functions from a model's numbers to a drawing, as SVG, HTML or a matplotlib figure."""

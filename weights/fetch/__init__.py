"""Models by name: where they are, and how they are fetched."""

"""Official vocabularies by name: found, fetched, verified."""

"""Speed for the models and the sampler: the same interface and numbers as the files that are read, but faster."""

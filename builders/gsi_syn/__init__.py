"""GSI-Syn: triplets from simulators."""

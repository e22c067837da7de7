"""How a model learns from triplets."""

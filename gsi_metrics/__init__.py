"""How edits are scored."""

"""What counts: how scores follow from what was seen."""

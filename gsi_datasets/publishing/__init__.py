"""How what was made goes to the Hub: data sets, metrics and models alike."""

"""From a recipe and a data set to trained members."""

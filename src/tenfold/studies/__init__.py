"""What is asked of runs that are there: which is better, what they look at, what a set of recipes teaches."""

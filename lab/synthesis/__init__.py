"""Strings, pages and pens made from MNIST-like digits, and things that are no digits: to train and to test reading."""

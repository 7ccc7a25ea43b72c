"""Searching for a better recipe: trials are drawn by optuna, judged by out-of-fold rows, and kept as runs."""

"""Data in: sources become datasets, which are checked, split and stored."""

"""Not shipped: benchmarks, and how the recogniser that comes with the package is made."""

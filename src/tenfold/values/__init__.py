"""The values that cross rooms. Shape letters everywhere: N images, C channels, H x W pixels, K classes, B batch."""

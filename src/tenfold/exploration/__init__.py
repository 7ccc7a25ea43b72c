"""What a data set is like, in numbers: pixels, labels, class means, principal components, maps. Draws nothing."""

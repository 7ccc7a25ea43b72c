"""Photo or scan -> digits: the same preprocessing for training, command line, HTTP and browser."""

"""What predictions are worth: figures and the images behind them."""

"""A network that reads whole lines (connectionist temporal classification), in the making: `tenfold read` does not use it yet.

``written`` and ``kinds`` make lines from MNIST's training digits, ``pool`` stores them, ``train`` trains, ``export`` writes
``lines.onnx``, ``network`` reads with it, ``agreement`` joins it with the cuts, ``sheets`` finds the sheet and its turn.
"""

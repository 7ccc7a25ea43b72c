"""A network that reads whole lines (connectionist temporal classification).

``written`` and ``kinds`` make lines from MNIST's training digits, ``pool`` stores them, ``train`` trains, ``export`` writes
``lines.onnx``. ``tenfold.reading`` reads with it: ``line_network``, ``agreement`` (with the cuts), ``page`` and ``sheets``.
"""

"""All digits in a picture, with the recogniser that comes along: nothing is trained, torch is not needed.

python examples/reading.py PICTURE ...
"""

import sys

import tenfold

reader = tenfold.Reader()  # once, for any number of pictures
for name in sys.argv[1:]:
    for line in reader.read(name).lines:
        text = "".join(digit.label for digit in line.digits)
        print(f"{name}: {text}, least sure of one with {min(digit.confidence for digit in line.digits):.2f}")

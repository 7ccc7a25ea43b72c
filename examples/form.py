"""A form: fields at known places, each with rules that what is written there must keep.

python examples/form.py SCAN.png [FIELD=LEFT,TOP,RIGHT,BOTTOM[,RULE...] ...]
"""

import sys

import numpy as np
from PIL import Image

import tenfold
from tenfold.reading.review import faults, parse_rule

scan, *described = sys.argv[1:]
fields = described or ["postcode=60,40,360,120,length=5", "born=60,160,460,240,date=DDMMYYYY"]

page = Image.open(scan).convert("L")
reader = tenfold.Reader()  # once, for all fields and pages
for field in fields:
    name, _, setting = field.partition("=")
    left, top, right, bottom, *rules = setting.split(",")
    lines = reader.read(np.asarray(page.crop((int(left), int(top), int(right), int(bottom))))).lines
    text = "".join(line.text for line in lines)
    wrong = faults(text, [parse_rule(rule) for rule in rules]) if text else ["empty"]
    unsure = [f"digit {place}" for line in lines for place, digit in enumerate(line.digits, 1) if digit.rejected]
    print(
        f"{name}: {text or '-'}",
        *(["- a person should look:", "; ".join([*wrong, *unsure])] if wrong or unsure else []),
    )

"""Train a model, see how good it is, and use it.

python examples/first_model.py [TRAIN] [KEY=VALUE ...]
"""

import sys

import tenfold

train, *overrides = sys.argv[1:] or ["mnist"]
digits = tenfold.load(train)

run = tenfold.train("quick", train=digits, overrides=overrides)
held_out = run.predictions("validation")  # images that did not train
print(f"{held_out.accuracy:.2%} of {len(held_out):,} held-out images")

model = tenfold.Bundle.open(run.path)  # ONNX Runtime, no torch from here on
for image in digits.images[:3]:
    probabilities = model.predict_proba(image[None])[0]
    print(f"{model.class_names[probabilities.argmax()]} with {probabilities.max():.1%}")

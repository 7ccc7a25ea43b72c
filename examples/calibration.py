"""Honest probabilities, and answers that are better not given.

python examples/calibration.py [TRAIN] [KEY=VALUE ...]
"""

import sys

import tenfold

train, *overrides = sys.argv[1:] or ["mnist"]
digits = tenfold.load(train)
rows = range(len(digits))
unseen = digits.take([row for row in rows if row % 5 == 0])

run = tenfold.train("quick", train=digits.take([row for row in rows if row % 5]), overrides=overrides)
model = tenfold.Bundle.open(run.path)  # temperature and threshold were learnt from the rows that training held out

raw = model.predict_proba(unseen.images)
honest, sure = model.calibrated(raw), model.is_sure(raw)
right = raw.argmax(1) == unseen.labels
print(f"accuracy {right.mean():.2%}, mean confidence {raw.max(1).mean():.2%}, calibrated {honest.max(1).mean():.2%}")
print(f"answers {sure.sum():,} of {len(unseen):,} images, {right[sure].sum():,} of them rightly")

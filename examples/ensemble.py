"""Networks that differ vote together, and what each of them adds.

python examples/ensemble.py [TRAIN] [KEY=VALUE ...]
"""

import sys

import numpy as np

import tenfold
from tenfold.values.predictions import Predictions

MEMBERS = """model=[
  {layers="16C5S2 BN 32C3 BN FLAT D20 SOFTMAX"},
  {layers="16C3 BN MP2 32C3 BN MP2 FLAT D20 SOFTMAX"},
  {layers="16C7S2 BN 32C3S2 BN FLAT D20 SOFTMAX"},
]"""

train, *overrides = sys.argv[1:] or ["mnist"]
settings = [MEMBERS.replace("\n", " "), "ensemble.members=3", "data.bag=0.9", *overrides]
run = tenfold.train("quick", train=tenfold.load(train), overrides=settings)

opinions = [Predictions.load(run.member_path(member) / "validation.npz") for member in range(3)]
for number in range(1, 4):
    vote = np.mean([each.probabilities for each in opinions[:number]], axis=0)
    print(f"{number}: {(vote.argmax(1) == opinions[0].labels).mean():.2%}")

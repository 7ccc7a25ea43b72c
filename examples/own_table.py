"""A table of your own: check it, train on it, write a submission for it.

python examples/own_table.py TRAIN.csv TEST.csv [KEY=VALUE ...]
"""

import sys

import tenfold
from tenfold.data.checks import check

train, test, *overrides = sys.argv[1:]
digits, unseen = tenfold.load(train), tenfold.load(test, "test")
for finding in check(digits, unseen):
    if finding.severity != "note":
        print(f"{finding.severity}: {finding.message}")

run = tenfold.run("quick", train=digits, test=unseen, overrides=overrides)
print(next(run.path.glob("submission*.csv")))

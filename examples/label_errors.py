"""Labels that are probably wrong, found by networks that have not seen them.

python examples/label_errors.py [TRAIN] [KEY=VALUE ...]
"""

import sys

import tenfold
from tenfold.evaluation.label_issues import label_issues

train, *overrides = sys.argv[1:] or ["mnist"]
digits = tenfold.load(train)

run = tenfold.cross_validate("quick", folds=3, train=digits, overrides=overrides)
seen = run.predictions("oof")  # each row by a network that did not learn from it
found = label_issues(seen.labels, seen.probabilities)

print(f"{len(found.rows):,} of {len(digits):,} labels are suspected; the ten worst:")
for row in found.worst(10):
    given, likely = digits.class_names[seen.labels[row]], digits.class_names[found.suggested[row]]
    print(f"{seen.ids[row]}: labelled {given}, looks like {likely} ({found.quality[row]:.4f} for the label)")

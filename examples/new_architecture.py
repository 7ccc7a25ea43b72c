"""A network is one line: which of two is better, and is the difference significant.

python examples/new_architecture.py [TRAIN] [KEY=VALUE ...]
"""

import sys

import tenfold

NETWORKS = {
    "pooled": "16C3 BN MP2 32C3 BN MP2 FLAT SOFTMAX",
    "strided": "16C5S2 BN 32C3S2 BN FLAT SOFTMAX",
}

train, *overrides = sys.argv[1:] or ["mnist"]
digits = tenfold.load(train)
runs = [
    tenfold.train("quick", train=digits, overrides=["ensemble.members=1", f"model.layers={layers}", *overrides])
    for layers in NETWORKS.values()
]
for name, run in zip(NETWORKS, runs, strict=True):
    print(f"{name}: {run.predictions('validation').accuracy:.2%}")
print(tenfold.compare(*runs, on="validation").verdict)  # A is the first; same seed, so the same held-out images

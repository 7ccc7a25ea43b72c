"""Members on a Ray cluster: this machine's own, or with RAY_ADDRESS and RAY_AUTH_MODE=token one that is there.

python examples/on_ray.py [TRAIN] [KEY=VALUE ...]
"""

import sys

import tenfold

train, *overrides = sys.argv[1:] or ["mnist"]
digits = tenfold.load(train)

here = tenfold.train("quick", train=digits, overrides=["ensemble.members=2", *overrides])
there = tenfold.train("quick", train=digits, overrides=["ensemble.members=2", *overrides], executor="ray")

same = [
    (here.member_path(i) / "weights.safetensors").read_bytes()
    == (there.member_path(i) / "weights.safetensors").read_bytes()
    for i in range(2)
]
print(f"{there.predictions('validation').accuracy:.2%}; the same bits as here: {all(same)}")

"""Images of your own, in a folder for each class; any size, any number of classes.

python examples/own_folder.py FOLDER [KEY=VALUE ...]
"""

import sys

import tenfold

folder, *overrides = sys.argv[1:]
data = tenfold.load(folder)
print(f"{len(data):,} images of {data.image_shape}: {', '.join(data.class_names)}")

# small sets want more epochs and more rows held out; images may fill their frame, so nothing is cropped
mine = ["data.validation=0.25", "train.epochs=20", "model.layers=16C3 BN 32C3 BN MP2 32C3 BN FLAT D30 SOFTMAX"]
run = tenfold.train("quick", train=data, overrides=[*mine, *overrides])

held_out = run.predictions("validation")
for row in (~held_out.correct).nonzero()[0][:10]:
    true, read = data.class_names[held_out.labels[row]], data.class_names[held_out.predicted[row]]
    print(f"{held_out.ids[row]}: {true}, read as {read}")

"""Images of your own, in a folder for each class; any size, any number of classes.

python examples/own_folder.py FOLDER [KEY=VALUE ...]
"""

import sys

import tenfold

folder, *overrides = sys.argv[1:]
data = tenfold.load(folder)
print(f"{len(data):,} images of {data.image_shape}: {', '.join(data.class_names)}")

# the default recipe fits layers, batch and epochs to the images; small sets want more rows held out
run = tenfold.train("quick", train=data, overrides=["data.validation=0.25", *overrides])

held_out = run.predictions("validation")
for row in (~held_out.correct).nonzero()[0][:10]:
    true, read = data.class_names[held_out.labels[row]], data.class_names[held_out.predicted[row]]
    print(f"{held_out.ids[row]}: {true}, read as {read}")

"""Any recipe is a scikit-learn classifier: a grid search over its settings, each judged by rows that it has not seen.

python examples/grid_search.py [TRAIN] [KEY=VALUE ...]
"""

import sys

from sklearn.model_selection import GridSearchCV

import tenfold

train, *overrides = sys.argv[1:] or ["mnist", "model.landmarks=1000"]
digits = tenfold.load(train)

settings = {"overrides": [[f"model.gamma={gamma}", *overrides] for gamma in (0.002, 0.005, 0.02)]}
search = GridSearchCV(tenfold.Classifier("svm-fast"), settings, cv=3)
search.fit(digits.images, digits.labels)

for tried, accuracy, deviation in zip(
    search.cv_results_["params"],
    search.cv_results_["mean_test_score"],
    search.cv_results_["std_test_score"],
    strict=True,
):
    print(f"{tried['overrides'][0]}: {accuracy:.2%} +- {deviation:.2%}")
print(f"best: {search.best_params_['overrides'][0]}; an image is {search.predict(digits.images[:1])[0]}")

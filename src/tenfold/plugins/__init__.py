"""Parts that can be left out: each needs a package of its own, and is found by entry points as a stranger's would be.

``pyproject.toml`` names them: executors (``ray``), trackers (``mlflow``, ``tensorboard``), maps (``umap``, ``pacmap``),
and forms of a bundle (``c``, ``hub``, ``mlflow``). No other room imports this one.
"""

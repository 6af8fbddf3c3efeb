"""A scikit-learn forest whose classes are words: train, pack, prove, load, predict."""

from __future__ import annotations

import pickle
import tempfile
from pathlib import Path

from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

import cordwood as cw

iris = load_iris()
X, names = iris.data, iris.target_names[iris.target]
forest = RandomForestClassifier(100, random_state=0).fit(X, names)

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "iris.cord"
    cw.compress(forest).save(path)
    # The file is data, not code: loading it needs neither pickle nor scikit-learn.
    model = cw.load(path)

cw.verify(forest, model, X).raise_if_different()
assert (model.predict(X) == forest.predict(X)).all()
assert (model.predict_proba(X) == forest.predict_proba(X)).all()

print(model.predict(X[::50]))
print(f"{len(pickle.dumps(forest)):,} bytes pickled, {model.nbytes:,} packed")

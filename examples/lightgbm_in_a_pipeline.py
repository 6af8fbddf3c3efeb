"""Swap the trained last step of a scikit-learn Pipeline for its packed form."""

from __future__ import annotations

import pickle

import numpy as np
from lightgbm import LGBMClassifier
from sklearn.datasets import load_breast_cancer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

import cordwood as cw

X, y = load_breast_cancer(return_X_y=True)
trained = Pipeline(
    [
        ("scale", StandardScaler()),
        ("boost", LGBMClassifier(n_estimators=100, num_leaves=15, n_jobs=1, verbose=-1)),
    ]
).fit(X, y)

scale, boost = trained["scale"], trained["boost"]
packed = Pipeline([("scale", scale), ("boost", cw.compress(boost))])

scaled = scale.transform(X)
assert np.array_equal(
    packed.decision_function(X), boost.predict(scaled, raw_score=True, num_threads=1)
)
assert np.array_equal(packed.predict(X), boost.predict(scaled))
# A packed model pickles as its bytes, so the whole pipeline travels as before.
assert np.array_equal(pickle.loads(pickle.dumps(packed)).predict(X), packed.predict(X))

print(packed)
print(f"{len(pickle.dumps(trained)):,} bytes before, {len(pickle.dumps(packed)):,} after")

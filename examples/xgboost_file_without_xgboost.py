"""Pack and run an XGBoost model file on a machine that has no XGBoost.

Here the file is trained on the spot by another process, so that this one can show that it never
imports XGBoost.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import cordwood as cw

TRAIN = """
import sys, numpy, xgboost
rows = numpy.random.default_rng(0).normal(size=(2000, 6)).astype("float32")
rows[::7, 2] = numpy.nan
label = (rows[:, 0] + numpy.nan_to_num(rows[:, 2]) > 0.5).astype("float32")
parameters = {"objective": "binary:logistic", "max_depth": 4, "nthread": 1}
booster = xgboost.train(parameters, xgboost.DMatrix(rows, label), 50)
booster.save_model(sys.argv[1] + "/model.ubj")
margin = booster.predict(xgboost.DMatrix(rows), output_margin=True)
numpy.savez(sys.argv[1] + "/answers.npz", rows=rows, margin=margin)
"""

with tempfile.TemporaryDirectory() as folder:
    subprocess.run([sys.executable, "-c", TRAIN, folder], check=True)
    model = cw.compress(Path(folder) / "model.ubj")
    answers = np.load(Path(folder) / "answers.npz")
    rows, margin = answers["rows"], answers["margin"]

assert "xgboost" not in sys.modules
# Not close: equal. The margin is XGBoost's own, bit for bit.
assert np.array_equal(model.decision_function(rows), margin)

print(model.summary())
print("probability of the first three rows:", model.predict(rows[:3]))

"""Calls into other libraries that are right stay right: a fixed part of the table of `nox -s consumers`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

for package in ("scipy", "sklearn", "array_api_extra", "array_api_compat", "einops", "opt_einsum"):
    pytest.importorskip(package)
pytestmark = pytest.mark.any_engine

CALLS = """
scipy.special.logsumexp(b) scipy.special.rel_entr scipy.special.betainc scipy.special.zeta(x,q)
scipy.stats.skew scipy.stats.gmean(weights) scipy.stats.trim_mean scipy.stats.quantile scipy.stats.pearsonr
scipy.stats.ttest_ind(Welch) scipy.stats.directional_stats scipy.stats.entropy(p,q) scipy.stats.zmap
scipy.signal.oaconvolve scipy.signal.hilbert scipy.signal.freqz_sos scipy.signal.lp2bs scipy.fft.irfft(odd)
scipy.fft.hfft2 scipy.fft.fht scipy.integrate.cumulative_simpson scipy.integrate.cubature scipy.optimize.rosen_hess
scipy.optimize.find_root scipy.linalg.orthogonal_procrustes scipy.Rotation.from_quat.as_rotvec scipy.Rotation.mul
scipy.RigidTransform.from_exp_coords scipy.cluster.vq.whiten
sklearn.MinMaxScaler(aconstantcolumn) sklearn.normalize(arowofzeros) sklearn.PCA.get_precision
sklearn.pairwise.euclidean_distances(diagonal) sklearn.pairwise.laplacian_kernel sklearn.metrics.r2_score
sklearn.Ridge(svd).predict sklearn.LinearDiscriminantAnalysis.predict_proba sklearn.GaussianMixture(full).means_
sklearn.GaussianNB.predict_proba xpx.cov xpx.kron xpx.nanmean xpx.at.divide xpx.apply_where(two) xpx.union1d
einops.rearrange einops.reduce(max) einops.pack einops.einsum einops.array_api.repeat
opt_einsum.contract(chain) opt_einsum.contract(diagonal)
""".split()

PROGRAM = """
import sys
from consumers.calls import table
from consumers.engines import engine, try_call
from consumers.reference import refer

names = {name.replace(" ", ""): name for name in table}
lib = engine("polymod")
for asked in sys.argv[1:]:
    call = table[names[asked]]
    outcome, why = try_call(lib, call, refer(call))
    print(f"{outcome}\\t{call.name}\\t{why}")
"""


def test_values_and_gradients():
    """In a process of its own, for SciPy reads SCIPY_ARRAY_API when it is imported."""
    root = Path(__file__).parents[1]
    environment = os.environ | {"SCIPY_ARRAY_API": "1", "PYTHONPATH": str(root), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *CALLS], env=environment, cwd=root, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(CALLS)
    assert [line for line in lines if not line.startswith("right\t")] == []

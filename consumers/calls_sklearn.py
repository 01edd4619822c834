"""scikit-learn with array API dispatch: preprocessing, decomposition, kernels, metrics, linear models."""

from __future__ import annotations

import numpy as np
import sklearn
from array_api_compat import array_namespace, device
from sklearn import metrics, preprocessing
from sklearn.covariance import empirical_covariance, ledoit_wolf_shrinkage, shrunk_covariance
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV
from sklearn.metrics import pairwise
from sklearn.mixture import GaussianMixture
from sklearn.naive_bayes import GaussianNB
from sklearn.utils import extmath
from sklearn.utils.stats import _weighted_percentile

from .table import Chapter, between, normal, positive_definite

sklearn.set_config(array_api_dispatch=True)
calls = Chapter("sklearn")
_m, _n = normal(8, 3), normal(5, 3)
_classes = np.asarray([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2])


def add_preprocessing() -> None:
    """Transformers of features, fitted on the data that they transform."""
    for estimator in (
        preprocessing.StandardScaler(),
        preprocessing.StandardScaler(with_mean=False),
        preprocessing.MinMaxScaler(),
        preprocessing.MinMaxScaler((-1, 2), clip=True),
        preprocessing.MaxAbsScaler(),
        preprocessing.Normalizer("l1"),
        preprocessing.Normalizer("l2"),
        preprocessing.Normalizer("max"),
        preprocessing.PolynomialFeatures(2),
        preprocessing.PolynomialFeatures(3, interaction_only=True),
        preprocessing.KernelCenterer(),
    ):
        data = _m @ _m.T if isinstance(estimator, preprocessing.KernelCenterer) else _m
        calls(_named(estimator), lambda x, e=estimator: sklearn.clone(e).fit_transform(x), data)
    calls(
        "StandardScaler (a constant column)",
        lambda x: preprocessing.StandardScaler().fit_transform(_with_constant(x)),
        _m,
    )
    calls(
        "MinMaxScaler (a constant column)", lambda x: preprocessing.MinMaxScaler().fit_transform(_with_constant(x)), _m
    )
    calls("normalize (a row of zeros)", lambda x: preprocessing.normalize(_with_zero_row(x)), _m)
    calls(
        "StandardScaler.inverse_transform",
        lambda x, y: preprocessing.StandardScaler().fit(x).inverse_transform(y),
        _m,
        _n,
    )
    calls(
        "MinMaxScaler.inverse_transform", lambda x, y: preprocessing.MinMaxScaler().fit(x).inverse_transform(y), _m, _n
    )
    calls(
        "MaxAbsScaler.inverse_transform", lambda x, y: preprocessing.MaxAbsScaler().fit(x).inverse_transform(y), _m, _n
    )
    calls(
        "StandardScaler(sample_weight)",
        lambda x, w: preprocessing.StandardScaler().fit(x, sample_weight=w).var_,
        _m,
        between(0.5, 2, 8),
    )
    calls("scale", lambda x: preprocessing.scale(x), _m)
    calls("maxabs_scale", lambda x: preprocessing.maxabs_scale(x), _m)
    calls("minmax_scale", lambda x: preprocessing.minmax_scale(x), _m)
    calls("normalize(return_norm)", lambda x: preprocessing.normalize(x, return_norm=True), _m)
    calls("normalize(axis=0)", lambda x: preprocessing.normalize(x, axis=0), _m)
    calls("normalize(copy=False)", lambda x: preprocessing.normalize(x * 1.0, copy=False), _m)
    calls("Binarizer", lambda x: preprocessing.Binarizer(threshold=0.1).fit_transform(x), _m)


def _named(estimator):
    return f"{estimator}".replace("\n", " ")


def _with_constant(x):
    xp = array_namespace(x)
    return xp.concat([x, xp.full_like(x[:, :1], 1.5)], axis=1)


def _with_zero_row(x):
    xp = array_namespace(x)
    return xp.concat([x, xp.zeros_like(x[:1, :])], axis=0)


def add_decomposition() -> None:
    """Principal components."""
    for options in (
        {"svd_solver": "full"},
        {"svd_solver": "full", "whiten": True},
        {"svd_solver": "full", "n_components": 2},
        {"svd_solver": "covariance_eigh", "n_components": 2},
        {"svd_solver": "full", "n_components": 0.8},
    ):
        calls(f"{PCA(**options)}.transform", lambda x, o=options: PCA(**o).fit(x).transform(x), _m)
    calls("PCA.explained_variance_", lambda x: PCA(svd_solver="full").fit(x).explained_variance_, _m)
    calls("PCA.explained_variance_ratio_", lambda x: PCA(svd_solver="full").fit(x).explained_variance_ratio_, _m)
    calls("PCA.components_", lambda x: PCA(svd_solver="full").fit(x).components_, _m)
    calls("PCA.inverse_transform", lambda x: _there_and_back(PCA(2, svd_solver="full"), x), _m)
    calls("PCA.get_covariance", lambda x: PCA(2, svd_solver="full").fit(x).get_covariance(), _m)
    calls("PCA.get_precision", lambda x: PCA(2, svd_solver="full").fit(x).get_precision(), _m)
    calls("PCA.score_samples", lambda x: PCA(2, svd_solver="full").fit(x).score_samples(x), _m)
    calls(
        "PCA(covariance_eigh).explained_variance_",
        lambda x: PCA(svd_solver="covariance_eigh").fit(x).explained_variance_,
        _m,
    )
    calls(
        "PCA(randomized)",
        lambda x: PCA(2, svd_solver="randomized", random_state=0).fit(x).singular_values_,
        _m,
        tolerance=1e-5,
    )


def _there_and_back(estimator, x):
    return estimator.inverse_transform(estimator.fit(x).transform(x))


def add_pairwise() -> None:
    """Distances and kernels between rows."""
    p, q = between(0.1, 1, 4, 3), between(0.1, 1, 5, 3)
    for name in ("euclidean_distances", "manhattan_distances", "cosine_similarity", "cosine_distances"):
        calls(f"pairwise.{name}", getattr(pairwise, name), _m, _n)
    for name in ("linear_kernel", "polynomial_kernel", "sigmoid_kernel", "rbf_kernel", "laplacian_kernel"):
        calls(f"pairwise.{name}", getattr(pairwise, name), _m, _n)
    calls("pairwise.additive_chi2_kernel", pairwise.additive_chi2_kernel, p, q)
    calls("pairwise.chi2_kernel", pairwise.chi2_kernel, p, q)
    calls(
        "pairwise.euclidean_distances(squared)", lambda x, y: pairwise.euclidean_distances(x, y, squared=True), _m, _n
    )
    calls("pairwise.euclidean_distances(x, x)", lambda x: pairwise.euclidean_distances(x)[1:, 0], _m)
    calls("pairwise.euclidean_distances(diagonal)", lambda x: pairwise.euclidean_distances(x), _n)
    calls("pairwise.manhattan_distances(x, x)", lambda x: pairwise.manhattan_distances(x), _n)
    calls("pairwise.rbf_kernel(x, x)", lambda x: pairwise.rbf_kernel(x, gamma=0.3), _m)
    calls("pairwise.cosine_similarity(x, x)", lambda x: pairwise.cosine_similarity(x), _m)
    for name in ("paired_euclidean_distances", "paired_cosine_distances", "paired_manhattan_distances"):
        calls(f"pairwise.{name}", getattr(pairwise, name), _n, normal(5, 3))
    calls("pairwise.pairwise_distances(cosine)", lambda x, y: pairwise.pairwise_distances(x, y, "cosine"), _m, _n)
    calls("pairwise.pairwise_kernels(rbf)", lambda x, y: pairwise.pairwise_kernels(x, y, "rbf"), _m, _n)
    calls(
        "pairwise.pairwise_distances(callable)", lambda x, y: pairwise.pairwise_distances(x, y, _gap), _n, normal(2, 3)
    )


def _gap(x, y):
    return ((x - y) ** 2).sum()


def add_metrics() -> None:
    """Scores of predictions, one number for each output; a single number ends as a Python float."""
    t, p = between(0.5, 3, 9, 2), between(0.5, 3, 9, 2)
    w = between(0.5, 2, 9)
    for name in (
        "mean_squared_error",
        "root_mean_squared_error",
        "mean_absolute_error",
        "mean_absolute_percentage_error",
        "mean_squared_log_error",
        "root_mean_squared_log_error",
        "median_absolute_error",
        "mean_pinball_loss",
        "r2_score",
        "explained_variance_score",
        "d2_pinball_score",
        "d2_absolute_error_score",
    ):
        score = getattr(metrics, name)
        calls(
            f"metrics.{name}",
            lambda t, p, f=score: f(t, p, multioutput="raw_values"),
            t,
            p,
        )
    calls(
        "metrics.mean_squared_error(sample_weight)",
        lambda t, p, w: metrics.mean_squared_error(t, p, sample_weight=w, multioutput="raw_values"),
        t,
        p,
        w,
    )
    calls(
        "metrics.mean_absolute_error(weights)",
        lambda t, p, w: metrics.mean_absolute_error(t, p, sample_weight=w, multioutput="raw_values"),
        t,
        p,
        w,
    )
    calls(
        "metrics.r2_score(sample_weight)",
        lambda t, p, w: metrics.r2_score(t, p, sample_weight=w, multioutput="raw_values"),
        t,
        p,
        w,
    )
    calls("metrics.max_error", lambda t, p: metrics.max_error(t, p), t[:, 0], p[:, 0])
    calls("metrics.mean_poisson_deviance", metrics.mean_poisson_deviance, t[:, 0], p[:, 0])
    calls("metrics.mean_squared_error(one number)", metrics.mean_squared_error, t[:, 0], p[:, 0])
    calls(
        "metrics.roc_curve",
        lambda s: metrics.roc_curve(_integers(s, [0, 1, 1, 0, 1]), s, drop_intermediate=False)[2][1:],
        normal(5),
    )


def _integers(like, values):
    return array_namespace(like).asarray(values, device=device(like))


def add_models() -> None:
    """Estimators, differentiated with respect to the data that they are fitted on."""
    y, several = normal(8), normal(8, 2)
    x = np.concatenate([normal(4, 3) + k for k in range(3)])[[0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]]
    calls("Ridge(svd).coef_", lambda x, y: Ridge(solver="svd").fit(x, y).coef_, _m, y)
    calls("Ridge(svd).predict", lambda x, y, z: Ridge(0.7, solver="svd").fit(x, y).predict(z), _m, y, _n)
    calls("Ridge(svd, several outputs).predict", lambda x, y: Ridge(solver="svd").fit(x, y).predict(x), _m, several)
    calls(
        "Ridge(svd, no intercept).coef_", lambda x, y: Ridge(fit_intercept=False, solver="svd").fit(x, y).coef_, _m, y
    )
    calls(
        "Ridge(svd, sample_weight).coef_",
        lambda x, y, w: Ridge(solver="svd").fit(x, y, sample_weight=w).coef_,
        _m,
        y,
        between(0.5, 2, 8),
    )
    calls("RidgeCV.coef_", lambda x, y: RidgeCV([0.1, 1.0]).fit(x, y).coef_, _m, y)
    calls("LinearDiscriminantAnalysis.transform", lambda x: _fitted(LinearDiscriminantAnalysis(), x).transform(x), x)
    calls(
        "LinearDiscriminantAnalysis.decision_function",
        lambda x: _fitted(LinearDiscriminantAnalysis(), x).decision_function(x),
        x,
    )
    calls(
        "LinearDiscriminantAnalysis.predict_proba",
        lambda x: _fitted(LinearDiscriminantAnalysis(), x).predict_proba(x),
        x,
    )
    calls("GaussianNB.predict_proba", lambda x: _fitted(GaussianNB(), x).predict_proba(x), x)
    calls("GaussianNB.theta_, var_", lambda x: (_fitted(GaussianNB(), x).theta_, _fitted(GaussianNB(), x).var_), x)
    for kind in ("full", "tied", "diag", "spherical"):
        calls(f"GaussianMixture({kind}).means_", lambda x, k=kind: _mixture(x, k).means_, x)
        calls(f"GaussianMixture({kind}).score_samples", lambda x, k=kind: _mixture(x, k).score_samples(x), x)
    calls(
        "Nystroem.transform",
        lambda x: Nystroem(gamma=0.3, n_components=4, random_state=0).fit(x).transform(x),
        _m,
        tolerance=1e-6,
    )
    calls("LogisticRegression.predict_proba", lambda x: _logistic(x).predict_proba(x), x)
    calls("empirical_covariance", empirical_covariance, _m)
    calls("shrunk_covariance", lambda a: shrunk_covariance(a, 0.2), positive_definite(3))
    calls("ledoit_wolf_shrinkage", ledoit_wolf_shrinkage, _m)


def _fitted(estimator, x):
    return estimator.fit(x, _integers(x, _classes))


def _logistic(x):
    model = LogisticRegression()
    xp = array_namespace(x)
    model.coef_, model.intercept_ = (
        xp.asarray(_n[:3], dtype=x.dtype, device=device(x)),
        xp.asarray(_n[3], dtype=x.dtype, device=device(x)),
    )
    model.classes_ = xp.asarray([0, 1, 2], device=device(x))
    return model


def _mixture(x, kind):
    xp = array_namespace(x)
    means = xp.stack([x[i, :] for i in range(3)])
    weights = xp.asarray([0.3, 0.3, 0.4], dtype=x.dtype, device=device(x))
    precisions = {
        "full": np.stack([np.eye(3)] * 3),
        "tied": np.eye(3),
        "diag": np.ones((3, 3)),
        "spherical": np.ones(3),
    }[kind]
    model = GaussianMixture(
        3,
        covariance_type=kind,
        means_init=means,
        weights_init=weights,
        init_params="random",
        random_state=0,
        precisions_init=xp.asarray(precisions, dtype=x.dtype, device=device(x)),
        max_iter=2,
        tol=0.0,
    )
    return model.fit(x)


def add_utils() -> None:
    """What the estimators stand on."""
    calls("utils.extmath.row_norms", extmath.row_norms, _m)
    calls("utils.extmath.row_norms(squared)", lambda x: extmath.row_norms(x, squared=True), _m)
    calls("utils.extmath.softmax", extmath.softmax, _m)
    calls("utils.extmath.fast_logdet", extmath.fast_logdet, positive_definite(3))
    calls(
        "utils.extmath.weighted_percentile", lambda x, w: _weighted_percentile(x, w, 40), normal(9), between(0.5, 2, 9)
    )
    calls("utils.extmath.density", lambda x: extmath.safe_sparse_dot(x, x.T), _n)


add_preprocessing()
add_decomposition()
add_pairwise()
add_metrics()
add_models()
add_utils()

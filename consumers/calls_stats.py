"""scipy.stats: summaries, transformations, tests."""

from __future__ import annotations

import numpy as np
from scipy import stats

from .table import Chapter, between, normal

calls = Chapter("scipy.stats")
_x, _y = normal(9), normal(9)
_m = normal(8, 3)
_pos = between(0.5, 3, 8, 3)
_long = normal(24)
_groups = normal(7), normal(8) + 0.5, normal(9) - 0.2


def both(result):
    """A test's statistic and p-value."""
    return result.statistic, result.pvalue


def add_summaries() -> None:
    """Numbers that describe a sample."""
    calls("describe", lambda x: tuple(stats.describe(x, axis=0))[1:], _m)
    for k in (1, 2, 3, 4):
        calls(f"moment({k})", lambda x, k=k: stats.moment(x, k, axis=0), _m)
    calls("moment(center)", lambda x: stats.moment(x, 3, axis=0, center=0.5), _m)
    calls("skew", lambda x: stats.skew(x, axis=0), _m)
    calls("skew(bias=False)", lambda x: stats.skew(x, axis=0, bias=False), _m)
    calls("kurtosis", lambda x: stats.kurtosis(x, axis=0), _m)
    calls("kurtosis(bias=False)", lambda x: stats.kurtosis(x, axis=0, bias=False, fisher=False), _m)
    calls("skew(nan_policy)", lambda x: stats.skew(x, axis=0, nan_policy="omit"), _m)
    calls("gmean", lambda x: stats.gmean(x, axis=0), _pos)
    calls("gmean(weights)", lambda x, w: stats.gmean(x, axis=0, weights=w), _pos, between(0.2, 1, 8, 3))
    calls("hmean", lambda x: stats.hmean(x, axis=0), _pos)
    calls("hmean(weights)", lambda x, w: stats.hmean(x, axis=0, weights=w), _pos, between(0.2, 1, 8, 3))
    calls("pmean", lambda x: stats.pmean(x, 1.7, axis=0), _pos)
    calls("pmean(0)", lambda x: stats.pmean(x, 0, axis=0), _pos)
    calls("gstd", lambda x: stats.gstd(x, axis=0), _pos)
    calls("variation", lambda x: stats.variation(x, axis=0), _pos)
    calls("sem", lambda x: stats.sem(x, axis=0), _m)
    calls("tmean", lambda x: stats.tmean(x, (-1.13, 1.3), axis=0), _m)
    calls("tvar", lambda x: stats.tvar(x, (-1.13, 1.3), axis=0), _m)
    calls("tstd", lambda x: stats.tstd(x, (-1.13, 1.3), axis=0), _m)
    calls("tsem", lambda x: stats.tsem(x, (-1.13, 1.3), axis=0), _m)
    calls("tmin", lambda x: stats.tmin(x, -0.5, axis=0), _m)
    calls("tmax", lambda x: stats.tmax(x, 1.0, axis=0), _m)
    calls("trim_mean", lambda x: stats.trim_mean(x, 0.15, axis=0), _m)
    calls("iqr", lambda x: stats.iqr(x, axis=0), _m)
    calls("median_abs_deviation", lambda x: stats.median_abs_deviation(x, axis=0), normal(9, 3))
    calls("quantile", lambda x: stats.quantile(x, 0.3, axis=0), _m)
    calls("quantile(p)", lambda x, p: stats.quantile(x, p, axis=0), _x, np.asarray([0.23, 0.51, 0.87]))
    calls("kstat(3)", lambda x: stats.kstat(x, 3, axis=0), _m)
    calls("kstat(4)", lambda x: stats.kstat(x, 4), _x)
    calls("kstatvar", lambda x: stats.kstatvar(x, 2), _x)
    calls("lmoment", lambda x: stats.lmoment(x, axis=0), _m)
    calls("entropy", lambda p: stats.entropy(p, axis=0), _pos)
    calls("entropy(p, q)", lambda p, q: stats.entropy(p, q, axis=0), _pos, between(0.5, 3, 8, 3))
    calls("entropy(base=2)", lambda p: stats.entropy(p, base=2), between(0.2, 1, 6))
    calls("differential_entropy", lambda x: stats.differential_entropy(x, method="vasicek"), _long)
    calls("differential_entropy(van es)", lambda x: stats.differential_entropy(x, method="van es"), _long)
    calls("differential_entropy(ebrahimi)", lambda x: stats.differential_entropy(x, method="ebrahimi"), _long)
    calls("differential_entropy(correa)", lambda x: stats.differential_entropy(x, method="correa"), _long)
    calls("circmean", lambda x: stats.circmean(x, axis=0), _pos)
    calls("circvar", lambda x: stats.circvar(x, axis=0), _pos)
    calls("circstd", lambda x: stats.circstd(x, axis=0), _pos)
    calls("directional_stats", lambda x: _directional(x), normal(7, 3))
    calls("boxcox_llf", lambda x: stats.boxcox_llf(0.7, x), between(0.5, 3, 9))
    calls("yeojohnson_llf", lambda x: stats.yeojohnson_llf(0.7, x), _x)


def _directional(x):
    result = stats.directional_stats(x)
    return result.mean_direction, result.mean_resultant_length


def add_transformations() -> None:
    """Samples made from samples."""
    calls("zscore", lambda x: stats.zscore(x, axis=0), _m)
    calls("zscore(ddof=1)", lambda x: stats.zscore(x, axis=1, ddof=1), _m)
    calls("gzscore", lambda x: stats.gzscore(x, axis=0), _pos)
    calls("zmap", lambda x, y: stats.zmap(x, y, axis=0), _m, normal(6, 3))
    calls("sigmaclip", lambda x: stats.sigmaclip(x, 2.0, 2.0).clipped, _long)
    calls("rankdata", lambda x: stats.rankdata(x, axis=0), _m)


def add_tests() -> None:
    """Statistics and p-values of tests."""
    calls("ttest_1samp", lambda x: both(stats.ttest_1samp(x, 0.3, axis=0)), _m)
    calls("ttest_1samp(popmean)", lambda x, m: both(stats.ttest_1samp(x, m, axis=0)), _m, normal(1, 3))
    calls("ttest_1samp(greater)", lambda x: both(stats.ttest_1samp(x, 0.3, alternative="greater")), _x)
    calls("ttest_1samp(ci)", lambda x: tuple(stats.ttest_1samp(x, 0.3).confidence_interval()), _x)
    calls("ttest_ind", lambda x, y: both(stats.ttest_ind(x, y, axis=0)), _m, normal(6, 3))
    calls("ttest_ind(Welch)", lambda x, y: both(stats.ttest_ind(x, y, equal_var=False)), _x, normal(7))
    calls("ttest_rel", lambda x, y: both(stats.ttest_rel(x, y, axis=0)), _m, normal(8, 3))
    calls(
        "ttest_ind_from_stats",
        lambda a, b: both(stats.ttest_ind_from_stats(a, b, 10, a + 0.3, b * 1.2, 12)),
        np.asarray(0.4),
        np.asarray(1.3),
    )
    calls("pearsonr", lambda x, y: both(stats.pearsonr(x, y)), _x, _y)
    calls("pearsonr(axis)", lambda x, y: stats.pearsonr(x, y, axis=0).statistic, _m, normal(8, 3))
    calls("pearsonr(ci)", lambda x, y: tuple(stats.pearsonr(x, y).confidence_interval()), _x, _y)
    calls("spearmanrho", lambda x, y: stats.spearmanrho(x, y).statistic, _x, _y)
    calls("chisquare", lambda x: both(stats.chisquare(x)), between(4, 9, 6))
    calls("chisquare(f_exp)", lambda x, e: both(stats.chisquare(x, e * x.sum() / e.sum())), _pos[:, 0], _pos[:, 1])
    calls("power_divergence", lambda x: both(stats.power_divergence(x, lambda_=0.7)), between(4, 9, 6))
    calls("power_divergence(G)", lambda x: both(stats.power_divergence(x, lambda_=0)), between(4, 9, 6))
    calls("skewtest", lambda x: both(stats.skewtest(x, axis=0)), normal(12, 2))
    calls("kurtosistest", lambda x: both(stats.kurtosistest(x, axis=0)), normal(12, 2))
    calls("normaltest", lambda x: both(stats.normaltest(x, axis=0)), normal(12, 2))
    calls("jarque_bera", lambda x: both(stats.jarque_bera(x, axis=0)), normal(12, 2))
    calls("bartlett", lambda *g: both(stats.bartlett(*g)), *_groups)
    calls("f_oneway", lambda *g: both(stats.f_oneway(*g)), *_groups)
    calls("alexandergovern", lambda *g: both(stats.alexandergovern(*g)), *_groups)
    calls("levene", lambda *g: stats.levene(*g).statistic, *_groups)
    calls("levene(trimmed)", lambda *g: stats.levene(*g, center="mean").statistic, *_groups)
    calls("fligner", lambda *g: stats.fligner(*g).statistic, *_groups)
    calls("kruskal", lambda *g: both(stats.kruskal(*g)), *_groups)
    calls("combine_pvalues(fisher)", lambda p: both(stats.combine_pvalues(p)), between(0.05, 0.9, 5))
    calls(
        "combine_pvalues(stouffer)", lambda p: both(stats.combine_pvalues(p, method="stouffer")), between(0.1, 0.9, 5)
    )
    calls("combine_pvalues(tippett)", lambda p: both(stats.combine_pvalues(p, method="tippett")), between(0.05, 0.9, 5))
    calls("combine_pvalues(pearson)", lambda p: both(stats.combine_pvalues(p, method="pearson")), between(0.05, 0.9, 5))
    calls(
        "combine_pvalues(mudholkar)",
        lambda p: stats.combine_pvalues(p, method="mudholkar_george").statistic,
        between(0.05, 0.9, 5),
    )
    calls("false_discovery_control", lambda p: stats.false_discovery_control(p), between(0.01, 0.9, 6))
    calls("cramervonmises", lambda x: stats.cramervonmises(x, lambda t: 1 / (1 + 2.7**-t)).statistic, _x)
    calls("ks_1samp", lambda x: stats.ks_1samp(x, lambda t: 1 / (1 + 2.7**-t), method="asymp").statistic, _x)
    calls("epps_singleton_2samp", lambda x, y: both(stats.epps_singleton_2samp(x, y)), _x, normal(8))
    calls("mood", lambda x, y: both(stats.mood(x, y)), _x, normal(8))
    calls("wilcoxon", lambda x: stats.wilcoxon(x, method="asymptotic").statistic, _x)
    calls("brunnermunzel", lambda x, y: stats.brunnermunzel(x, y).statistic, _x, normal(8))
    calls("mannwhitneyu", lambda x, y: both(stats.mannwhitneyu(x, y, method="asymptotic")), _x, normal(8))


def add_distributions() -> None:
    """The new infrastructure of distributions, whose parameters may be arrays."""
    calls("Normal.pdf", lambda m, s, x: stats.Normal(mu=m, sigma=s).pdf(x), normal(3), between(0.5, 2, 3), normal(3))
    calls("Normal.logpdf", lambda m, s: stats.Normal(mu=m, sigma=s).logpdf(0.3), normal(3), between(0.5, 2, 3))
    calls("Normal.cdf", lambda m, s, x: stats.Normal(mu=m, sigma=s).cdf(x), normal(3), between(0.5, 2, 3), normal(3))
    calls("Uniform.pdf", lambda a, b: stats.Uniform(a=a, b=b).pdf(0.2), between(-3, -1, 3), between(1, 3, 3))


add_summaries()
add_transformations()
add_tests()
add_distributions()

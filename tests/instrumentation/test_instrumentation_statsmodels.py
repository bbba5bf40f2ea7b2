from __future__ import annotations

import copy
import gc
import inspect
import pickle
import subprocess
import sys
import threading
import weakref

import numpy as np
import pandas as pd
import pytest

from driftmeter.instrumentation.statsmodels import StatsmodelsInstrumentor
from driftmeter.recorder import active, digest_of

sm = pytest.importorskip("statsmodels.api")
smf = pytest.importorskip("statsmodels.formula.api")

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame({"a": RNG.normal(size=60), "b": RNG.uniform(1, 2, size=60), "g": ["u", "v", "w"] * 20})
FRAME["y"] = 2 * FRAME["a"] - FRAME["b"] + RNG.normal(size=60)
FRAME["yes"] = (FRAME["y"] > FRAME["y"].median()).astype(int)
FRAME["n"] = RNG.poisson(3, size=60)
EXOG = sm.add_constant(FRAME[["a", "b"]])
ARRAY = EXOG.to_numpy()
NEW = FRAME[["a", "b"]].iloc[:7]

FITS = {
    "ols array": lambda: sm.OLS(FRAME["y"].to_numpy(), ARRAY).fit(),
    "ols frame": lambda: sm.OLS(FRAME["y"], EXOG).fit(),
    "glm": lambda: sm.GLM(FRAME["n"], EXOG, family=sm.families.Poisson()).fit(),
    "logit": lambda: sm.Logit(FRAME["yes"], EXOG).fit(disp=0),
    "robust": lambda: sm.RLM(FRAME["y"], EXOG).fit(),
    "formula": lambda: smf.ols("y ~ a + np.log(b)", FRAME).fit(),
}


@pytest.fixture
def watched(sdk):
    """statsmodels watched on the providers of the SDK."""
    instrumentor = StatsmodelsInstrumentor()

    def watch(**settings):
        sdk.watch(**settings)
        if not instrumentor.is_instrumented_by_opentelemetry:
            instrumentor.instrument(
                skip_dep_check=True, meter_provider=sdk.meter_provider, tracer_provider=sdk.tracer_provider
            )

    sdk.watch_statsmodels = watch
    yield sdk
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()


def _rows(name):
    return {"ols array": ARRAY[:7], "formula": NEW}.get(name, EXOG.iloc[:7])


def _columns(name):
    return {"ols array": ("const", "x1", "x2"), "formula": ("a", "b")}.get(name, ("const", "a", "b"))


def _max_by_column(sdk, role):
    points = sdk.collect(sdk.cumulative)["ml.column.value"]
    return {p.attributes["ml.column.name"]: p.max for p in points if p.attributes["ml.column.role"] == role}


@pytest.mark.parametrize("name", FITS)
def test_a_prediction_is_the_same_and_is_one_span_with_its_columns(name, watched) -> None:
    results, rows = FITS[name](), _rows(name)
    plain = results.predict(rows)
    watched.watch_statsmodels()
    again = results.predict(rows)
    assert type(again) is type(plain)
    assert np.asarray(again).tobytes() == np.asarray(plain).tobytes()
    (span,) = watched.spans()
    assert dict(span.attributes) == {
        "ml.model.name": type(results.model).__name__,
        "ml.model.version": digest_of(results.model.exog_names, results.model.endog_names),
        "ml.model.framework": "statsmodels",
        "ml.operation.name": "predict",
        "ml.batch.size": 7,
    }
    assert watched.counts() == dict.fromkeys((*_columns(name), "prediction"), 7)
    assert _max_by_column(watched, "prediction") == {"prediction": pytest.approx(np.max(plain))}


def test_two_models_never_share_a_sketch_and_one_fitted_again_is_the_same(watched) -> None:
    watched.watch_statsmodels()
    for formula in ("y ~ a + b", "y ~ a", "n ~ a + b") * 2:
        smf.ols(formula, FRAME).fit().predict(NEW)
    versions = [span.attributes["ml.model.version"] for span in watched.spans()]
    assert versions[:3] == versions[3:]
    assert len(set(versions)) == 3


@pytest.mark.parametrize("name", ["ols array", "glm", "logit", "formula"])
def test_a_prediction_with_its_errors_records_the_means(name, watched) -> None:
    results, rows = FITS[name](), _rows(name)
    plain = results.get_prediction(rows).summary_frame()
    watched.watch_statsmodels()
    pd.testing.assert_frame_equal(results.get_prediction(exog=rows).summary_frame(), plain, check_exact=True)
    (span,) = watched.spans()
    assert span.attributes["ml.operation.name"] == "get_prediction"
    assert watched.counts() == dict.fromkeys((*_columns(name), "prediction"), 7)
    assert _max_by_column(watched, "prediction") == {"prediction": pytest.approx(plain.iloc[:, 0].max())}


def test_a_formula_takes_mappings_and_texts(watched) -> None:
    results = smf.ols("y ~ a + C(g)", FRAME).fit()
    watched.watch_statsmodels()
    results.predict({"a": [1.0, 2.0], "g": ["u", "w"]})
    assert watched.counts() == dict.fromkeys(("a", "g", "prediction"), 2)
    points = watched.collect(watched.cumulative)["ml.column.categories"]
    assert {p.attributes["ml.category"] for p in points} == {"u", "w"}


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("ols array", ARRAY[0]),
        ("ols array", ARRAY[0].tolist()),
        ("ols frame", EXOG.iloc[0]),
        ("formula", NEW.iloc[0]),
    ],
    ids=["array", "list", "series", "series for a formula"],
)
def test_values_in_one_dimension_are_one_row(name, row, watched) -> None:
    results = FITS[name]()
    plain = results.predict(row)
    watched.watch_statsmodels()
    assert np.asarray(results.predict(row)).tobytes() == np.asarray(plain).tobytes()
    assert watched.counts() == dict.fromkeys((*_columns(name), "prediction"), 1)


def test_values_in_one_dimension_are_a_column_for_a_model_of_one(watched) -> None:
    results = sm.OLS(FRAME["y"].to_numpy(), FRAME["a"].to_numpy()).fit()
    watched.watch_statsmodels()
    results.predict(np.arange(5.0))
    assert watched.counts() == dict.fromkeys(("x1", "prediction"), 5)


def test_a_model_of_categories_gives_the_score_of_each(watched) -> None:
    results = sm.MNLogit(FRAME["g"], EXOG).fit(disp=0)
    watched.watch_statsmodels()
    answer = np.asarray(results.predict(EXOG.iloc[:7]))
    assert watched.counts() == dict.fromkeys(("const", "a", "b", "score.u", "score.v", "score.w"), 7)
    assert _max_by_column(watched, "score") == {
        f"score.{name}": pytest.approx(answer[:, at].max()) for at, name in enumerate("uvw")
    }


@pytest.mark.parametrize("options", [{"which": "linear"}, {"which": "var"}], ids=["a linear predictor", "a variance"])
def test_what_is_of_another_scale_is_no_prediction(options, watched) -> None:
    results = FITS["logit"]()
    watched.watch_statsmodels()
    results.predict(EXOG.iloc[:7], **options)
    assert watched.counts() == dict.fromkeys(("const", "a", "b"), 7)
    results.predict(EXOG.iloc[:7], True, *options.values())
    assert watched.counts() == dict.fromkeys(("const", "a", "b"), 7)


def test_smooth_terms_are_columns_and_their_basis_is_none(watched) -> None:
    from statsmodels.gam.api import BSplines, GLMGam

    spline = BSplines(FRAME[["b"]], df=[6], degree=[3])
    results = GLMGam(FRAME["y"], exog=sm.add_constant(FRAME[["a"]]), smoother=spline, alpha=0.1).fit()
    exog, smooth = sm.add_constant(FRAME[["a"]]).iloc[:7], FRAME[["b"]].iloc[:7]
    plain = results.predict(exog, exog_smooth=smooth)
    watched.watch_statsmodels()
    assert np.asarray(results.predict(exog, exog_smooth=smooth)).tobytes() == np.asarray(plain).tobytes()
    assert len(watched.spans()) == 1
    assert watched.counts() == dict.fromkeys(("const", "a", "b", "prediction"), 7)
    results.predict(exog_smooth=smooth, exog=exog)
    assert watched.counts() == dict.fromkeys(("const", "a", "b", "prediction"), 7)


def test_a_survival_models_prediction_is_read_from_beside_its_errors(watched) -> None:
    results = smf.phreg("b ~ a", FRAME, status=np.ones(60)).fit()
    watched.watch_statsmodels()
    results.predict(exog=FRAME[["a"]].iloc[:7])
    assert watched.counts() == dict.fromkeys(("a", "prediction"), 7)


def test_fitting_and_the_fitted_values_are_no_serving(watched) -> None:
    watched.watch_statsmodels()
    for fit in FITS.values():
        results = fit()
        results.predict()
        results.summary()
    FITS["ols frame"]().get_prediction()
    assert watched.spans() == []
    assert watched.counts() == {}


def test_forecasts_of_time_series_are_left_alone(watched) -> None:
    results = sm.tsa.AutoReg(FRAME["y"].to_numpy(), 1).fit()
    plain = results.predict(50, 65)
    watched.watch_statsmodels()
    assert results.predict(50, 65).tobytes() == plain.tobytes()
    assert watched.spans() == []


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("ols array", np.ones((2, 2))),
        ("ols array", [["a", "b", "c"]]),
        ("formula", pd.DataFrame({"a": [1.0]})),
        ("formula", 5),
    ],
    ids=["too few columns", "texts", "a variable is missing", "no rows"],
)
def test_an_exception_is_the_models_own_and_is_on_the_span(name, rows, watched) -> None:
    results = FITS[name]()
    with pytest.raises(Exception) as plain:  # noqa: PT011  # which one it is, is compared below
        results.predict(rows)
    watched.watch_statsmodels()
    with pytest.raises(Exception) as again:  # noqa: PT011
        results.predict(rows)
    assert type(again.value) is type(plain.value)
    assert str(again.value) == str(plain.value)
    (span,) = watched.spans()
    assert span.attributes["error.type"] == type(plain.value).__qualname__
    assert not span.status.is_ok
    assert watched.counts() == {}


def test_results_pickle_and_copy_and_are_watched_after(watched) -> None:
    results = FITS["ols frame"]()
    before = pickle.dumps(results)
    wanted = results.predict(EXOG).tolist()
    watched.watch_statsmodels()
    for other in (results, pickle.loads(before), copy.deepcopy(results), pickle.loads(pickle.dumps(results))):
        assert other.predict(EXOG).tolist() == wanted
    assert len(watched.spans()) == 4
    assert watched.counts()["prediction"] == 240


def test_results_are_let_go(watched) -> None:
    watched.watch_statsmodels()
    references = []
    for _ in range(10):
        results = FITS["ols frame"]()
        results.predict(EXOG)
        references.append(weakref.ref(results._results))
    del results
    gc.collect()
    assert [reference() for reference in references] == [None] * 10
    registry = active()
    assert not registry._bound
    assert len(registry.models()) == 1


def test_threads_keep_their_own_calls(watched) -> None:
    results = FITS["ols array"]()
    watched.watch_statsmodels()
    start = threading.Barrier(6)

    def serve(at: int) -> None:
        start.wait(10)
        for _ in range(4):
            results.predict(ARRAY[: at + 1].copy())

    threads = [threading.Thread(target=serve, args=(at,)) for at in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    sizes = sorted(span.attributes["ml.batch.size"] for span in watched.spans())
    assert sizes == sorted(list(range(1, 7)) * 4)
    assert watched.counts() == dict.fromkeys(("const", "x1", "x2", "prediction"), 84)


def test_signatures_stay_and_uninstrumenting_puts_all_methods_back(watched) -> None:
    from statsmodels.base.model import GenericLikelihoodModelResults, Results
    from statsmodels.discrete.discrete_model import DiscreteResults
    from statsmodels.gam.generalized_additive_model import GLMGamResults
    from statsmodels.genmod.generalized_linear_model import GLMResults
    from statsmodels.regression.linear_model import RegressionResults

    predict = {cls: vars(cls)["predict"] for cls in (Results, GLMGamResults)}
    errors = {
        cls: vars(cls)["get_prediction"]
        for cls in (RegressionResults, GLMResults, DiscreteResults, GLMGamResults, GenericLikelihoodModelResults)
    }
    watched.watch_statsmodels()
    for name, plain in (("predict", predict), ("get_prediction", errors)):
        for cls, method in plain.items():
            ours = vars(cls)[name]
            assert ours is not method
            assert inspect.signature(ours) == inspect.signature(method)
            assert (ours.__doc__, ours.__qualname__) == (method.__doc__, method.__qualname__)
    StatsmodelsInstrumentor().uninstrument()
    assert {cls: vars(cls)["predict"] for cls in predict} == predict
    assert {cls: vars(cls)["get_prediction"] for cls in errors} == errors
    FITS["ols frame"]().predict(EXOG)
    assert watched.spans() == []


@pytest.mark.slow
def test_instrumenting_imports_nothing() -> None:
    code = (
        "import sys; from driftmeter.instrumentation.statsmodels import StatsmodelsInstrumentor as I;"
        "I().instrument(skip_dep_check=True); assert 'statsmodels' not in sys.modules; I().uninstrument();"
        "import statsmodels.base.model as m; assert not hasattr(m.Results.predict, '__wrapped__')"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

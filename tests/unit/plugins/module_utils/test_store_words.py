"""What is said of a store that MLflow may not use, for each store and each cause. Causes themselves are proven on real stores, by targets and scenarios."""

from __future__ import annotations

import itertools
import re
import time
from pathlib import Path

import pytest
import yaml
from ansible_collections.mlops.mlflow.plugins.module_utils import _store_words
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow import store_check

OPTIONS = yaml.safe_load((Path(__file__).parents[4] / "roles/mlflow_server/meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
URIS = {"s3": "s3://bucket/folder", "wasbs": "wasbs://files@account.blob.core.windows.net/folder", "gs": "gs://bucket/folder"}
STEPS = ("set up", "write", "list", "read", "delete")


def found(step, cause, detail=""):
    return {"step": step, "cause": cause, "detail": detail, "text": "the words of a library"}


def test_every_cause_has_words():
    causes = {*store_check.S3_CAUSES.values(), *store_check.AZURE_CAUSES.values(), *store_check.HTTP_CAUSES.values()}
    assert causes <= _store_words.WORDS.keys()
    assert _store_words.KINDS.keys() == store_check.STORES.keys()


@pytest.mark.parametrize(("kind", "cause"), list(itertools.product(URIS, _store_words.WORDS)))
def test_words_are_whole_and_name_variables_that_are_there(kind, cause):
    for step in STEPS:
        said = _store_words.explain(URIS[kind], found(step, cause), {})
        assert URIS[kind] in said
        assert said.endswith("The store or its library says: the words of a library")
        assert not set("{}") & set(said)
        assert set(re.findall(r"mlflow_server_\w+", said)) <= OPTIONS.keys()


@pytest.mark.parametrize(("ahead", "words"), [(3600, "this one is 3600 seconds ahead"), (-900, "this one is 900 seconds behind")])
def test_clocks_are_compared(monkeypatch, ahead, words):
    monkeypatch.setattr(time, "time", lambda: 784111777 + ahead)
    detail = store_check.skew({"date": "Sun, 06 Nov 1994 08:49:37 GMT"})
    assert words in _store_words.explain(URIS["s3"], found("write", "clock", detail), {})
    assert store_check.skew({}) == ""


def test_the_region_of_the_bucket_is_said():
    said = _store_words.explain(URIS["s3"], found("write", "region", "eu-west-1"), {"MLFLOW_S3_ENDPOINT_URL": "https://s3.example.com"})
    assert "in s3://bucket/folder at https://s3.example.com: the bucket or the store is in another region (eu-west-1). Correct mlflow_server_s3_region" in said


@pytest.mark.parametrize(
    ("texts", "cause"),
    [
        (["Could not connect", "[Errno -2] Name or service not known"], "name"),
        (["Could not connect", "[Errno 111] Connection refused"], "unreachable"),
        (["timed out"], "unreachable"),
        (["SSL validation failed", "[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate"], "tls"),
        (["[SSL: WRONG_VERSION_NUMBER] wrong version number"], "scheme"),
        (["Connection was closed before we received a valid response"], "closed"),
        (["something else"], ""),
    ],
)
def test_connections_fail_in_words(texts, cause):
    error = None
    for text in reversed(texts):
        outer = Exception(text)
        outer.__cause__ = error
        error = outer
    assert store_check.connection_cause(error) == cause


class Lacking:
    """A store whose library is not there."""

    def __init__(self, uri, name):
        raise ModuleNotFoundError("No module named 'azure'")

    cause = None


class Stubborn:
    """A store in which one step fails, and what was done until then."""

    def __init__(self, failing):
        self.failing, self.done = failing, []

    def __call__(self, uri, name):
        return self

    def __getattr__(self, step):
        def act():
            self.done.append(step)
            if step == self.failing:
                raise ValueError(step)
            return store_check.CONTENT

        return act

    @staticmethod
    def cause(error):
        return "forbidden", ""


def test_a_library_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setitem(store_check.STORES, "wasbs", Lacking)
    assert store_check.ask(URIS["wasbs"], "name") == {**found("set up", ""), "text": "ModuleNotFoundError: No module named 'azure'"}


@pytest.mark.parametrize(
    ("failing", "done"),
    [("write", ["write"]), ("list", ["write", "list", "delete"]), ("read", ["write", "list", "read", "delete"]), ("", ["write", "list", "read", "delete"])],
)
def test_the_object_does_not_stay(monkeypatch, failing, done):
    store = Stubborn(failing)
    monkeypatch.setitem(store_check.STORES, "s3", store)
    problem = store_check.ask(URIS["s3"], "name")
    assert (problem.get("step", ""), store.done) == (failing, done)


def test_only_stores_that_are_known_are_asked():
    uris = ["/srv/artifacts", "file:///srv", "s3://a", "s3://a", "hdfs://x/y", "gs://b", URIS["wasbs"]]
    assert _store_words.checked(uris) == ["s3://a", "gs://b", URIS["wasbs"]]

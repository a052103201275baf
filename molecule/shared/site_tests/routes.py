"""Runs on an MLflow host: calls every route of MLflow's application at a plain `mlflow server` and through the site's front, and compares.

Environment: PLAIN_URL, SITE_URL, SITE_CA (path), SITE_USER, SITE_PASSWORD. Prints a JSON object: how many routes were
called, which did not answer in time, and what differs.
"""

import json
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import requests

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
LIMIT = 15  # seconds
# Both servers have one database, where the second of two calls finds what the first one made.
ONCE_ONLY = ("POST /ajax-api/3.0/mlflow/demo/generate", "POST /ajax-api/3.0/mlflow/demo/delete")
# Flask says "OK" as text/html, FastAPI as text/plain.
SAME_WORD = ("GET /health",)
# The front refuses these, whatever the server would say.
REFUSED = "/ajax-api/3.0/mlflow/assistant/"
REFUSAL = (403, "text/plain", None)


def routes():
    """Pairs of method and path, every parameter of a path filled in with "x"."""
    from mlflow.server import app as flask_app
    from mlflow.server.fastapi_app import app as fastapi_app

    found = set()
    for included in fastapi_app.routes:
        if router := getattr(included, "original_router", None):
            prefix = included.include_context.prefix or ""
            found |= {(method, prefix + route.path) for route in router.routes for method in route.methods}
    by_fastapi = len(found)
    for rule in flask_app.url_map.iter_rules():
        found |= {(method, rule.rule) for method in rule.methods}
    assert by_fastapi > 50, "the routers of this version are to be found in another way"
    assert len(found) > 350
    assert sum(path.startswith(REFUSED) for _method, path in found) > 8
    return sorted((method, re.sub(r"[<{][^>}]*[>}]", "x", path)) for method, path in found if method not in ("HEAD", "OPTIONS"))


def shape(response):
    """What of an answer must be the same: status, type, and of JSON the keys and the code of an error."""
    kind = response.headers.get("content-type", "").split(";")[0]
    try:
        body = response.json()
    except ValueError:
        body = None
    keys = {key: value if key == "error_code" else None for key, value in body.items()} if isinstance(body, dict) else None
    return response.status_code, kind, keys


def call(session, url, method, path):
    body = {} if method == "GET" else {"json": {}}
    try:
        return shape(session.request(method, url + path, timeout=LIMIT, allow_redirects=False, **body))
    except requests.Timeout:
        # Some routes ask servers on the internet.
        return "timeout"


def session_for(url):
    session = requests.Session()
    session.trust_env = False
    if url == os.environ["SITE_URL"]:
        session.verify = os.environ["SITE_CA"]
        session.auth = (os.environ["SITE_USER"].encode(), os.environ["SITE_PASSWORD"].encode())
    # The plain server knows the site's name only. After a route that took long, it has closed its connection.
    session.headers.update({"Host": urlsplit(os.environ["SITE_URL"]).netloc, "Connection": "close"})
    return session


def main():
    urls = (os.environ["PLAIN_URL"], os.environ["SITE_URL"])
    sessions = [session_for(url) for url in urls]
    different, slow = [], []
    todo = routes()
    with ThreadPoolExecutor(2) as pool:
        for method, path in todo:
            plain, site = pool.map(lambda pair: call(pair[0], pair[1], method, path), zip(sessions, urls))  # noqa: B023
            if "timeout" in (plain, site):
                slow.append(f"{method} {path}")
            wanted = REFUSAL if path.startswith(REFUSED) else plain
            if wanted != site and f"{method} {path}" not in ONCE_ONLY + SAME_WORD:
                different.append({"route": f"{method} {path}", "wanted": wanted, "site": site})
    json.dump({"routes": len(todo), "slow": slow, "different": different}, sys.stdout)


if __name__ == "__main__":
    main()

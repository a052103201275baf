"""Every route of MLflow, for programs that try to come in without a login. Runs with MLflow's own Python."""

import re


def included(app):
    """Method and path of what a FastAPI application answers itself, also by routers that it has taken in."""
    found = set()
    for route in app.routes:
        if router := getattr(route, "original_router", None):
            prefix = route.include_context.prefix or ""
            found |= {(method, prefix + one.path) for one in router.routes for method in one.methods}
    return found


def all_routes(more=()):
    """Method and path of each route and of those besides, every parameter of a path filled in with "x"."""
    from mlflow.server import app as flask_app
    from mlflow.server.fastapi_app import app as fastapi_app

    found = {*more, *included(fastapi_app)}
    for rule in flask_app.url_map.iter_rules():
        found |= {(method, rule.rule) for method in rule.methods}
    return sorted({(method, re.sub(r"[<{][^>}]*[>}]", "x", path)) for method, path in found if method not in ("HEAD", "OPTIONS")})


def tricks(path):
    """Other ways to write a path, which a proxy and a server may read in different ways."""
    return [
        f"/{path}",
        f"{path}/",
        f"{path}.",
        f"{path}%00",
        f"/health/..{path}",
        f"/health/..;{path}",
        f"/static-files/..%2f{path[1:]}",
        path.replace("/", "%2F"),
        path[0] + path[1:].replace("/", "//"),
        path.upper(),
    ]

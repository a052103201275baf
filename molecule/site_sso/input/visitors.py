"""For programs on the client's machine: people with a browser, and machines with a token, at the site and at the provider of logins.

Environment: SITE_URL, ISSUER, and VISITORS, what the provider was set up with.
"""

import base64
import html
import json
import os
import re

import requests

SITE = os.environ["SITE_URL"]
ISSUER = os.environ["ISSUER"]
REALM = json.loads(os.environ["VISITORS"])
SECRETS = {client["clientId"]: client["secret"] for client in REALM["clients"]}
PASSWORDS = {user["username"]: user["credentials"][0]["value"] for user in REALM["users"] if "credentials" in user}
SEARCH = "/api/2.0/mlflow/experiments/search?max_results=1"
# Both CAs.
requests.Session.verify = CA = "/root/cas.crt"
os.environ["REQUESTS_CA_BUNDLE"] = CA


def token(client):
    """What a machine gets for itself."""
    wanted = {"grant_type": "client_credentials", "client_id": client, "client_secret": SECRETS[client]}
    answer = requests.post(f"{ISSUER}/protocol/openid-connect/token", data=wanted, timeout=30, verify=CA)
    assert answer.status_code == 200, answer.text
    return answer.json()["access_token"]


def said(text):
    """What a token says."""
    body = text.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def ask(path, method="GET", **headers):
    """Status, location and body of an answer to who has no cookie."""
    answer = requests.request(
        method, SITE + path, headers={name.replace("_", "-"): value for name, value in headers.items()}, timeout=60, allow_redirects=False
    )
    return answer.status_code, answer.headers.get("Location", ""), answer.text


def by_token(text, path=SEARCH, method="GET", **headers):
    return ask(path, method, Authorization=f"Bearer {text}", **headers)


class Browser(requests.Session):
    """Keeps cookies, and says that it wants pages."""

    def page(self, path="/", **options):
        url = path if path.startswith("https:") else SITE + path
        return self.get(url, headers={"Accept": "text/html,application/xhtml+xml"}, timeout=60, **options)

    def fetch(self, path=SEARCH, **headers):
        """As the scripts of a page do."""
        return self.get(SITE + path, headers={"Accept": "*/*", **headers}, timeout=60, allow_redirects=False)

    def fill_in(self, form, user):
        action = html.unescape(re.search(r'<form id="kc-form-login"[^>]* action="([^"]+)"', form.text)[1])
        return self.post(action, data={"username": user, "password": PASSWORDS[user]}, timeout=60)

    def log_in(self, user, path="/"):
        """Go to a page, and from there through the provider's form back to it."""
        form = self.page(path)
        assert form.url.startswith(ISSUER), f"{form.url}: {form.status_code}, {form.text[:300]}"
        return self.fill_in(form, user)

    def session(self):
        return {cookie.name: cookie.value for cookie in self.cookies if cookie.name.startswith("_oauth2_proxy") and "csrf" not in cookie.name}

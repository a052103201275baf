"""Runs on the client's machine: a person with a real browser logs in, looks at an experiment, and logs out.

Environment: SITE_URL, PERSON, PASSWORD, EXPERIMENT (its id), RUN (the name of a run in it). Prints a JSON object: what the page shows, and what the
browser complained of.
"""

import json
import os

from playwright.sync_api import sync_playwright

SITE, RUN = os.environ["SITE_URL"], os.environ["RUN"]
LIMIT = 90_000  # milliseconds


def main():
    found = {"complaints": []}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.set_default_timeout(LIMIT)
        page.on("console", lambda message: found["complaints"].append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: found["complaints"].append(str(error)))
        page.on("requestfailed", lambda request: found["complaints"].append(f"{request.url}: {request.failure}"))
        page.on("response", lambda answer: found["complaints"].append(f"{answer.url}: {answer.status}") if answer.status in (401, 403) else None)
        page.goto(f"{SITE}/#/experiments/{os.environ['EXPERIMENT']}/runs")
        found["led_to"] = page.url.partition("?")[0]
        page.fill("#username", os.environ["PERSON"])
        page.fill("#password", os.environ["PASSWORD"])
        page.click("#kc-login")
        page.wait_for_url(f"{SITE}/**")
        # What stands behind # never leaves a browser, which keeps it through redirects.
        page.goto(f"{SITE}/#/experiments/{os.environ['EXPERIMENT']}/runs")
        page.get_by_text(RUN).first.wait_for()
        found["shows"] = page.url
        page.get_by_text(RUN).first.click()
        page.get_by_text("loss").first.wait_for()
        found["cookies"] = [[cookie["name"], cookie["secure"], cookie["httpOnly"], cookie["sameSite"]] for cookie in page.context.cookies(SITE)]
        complaints = list(found["complaints"])
        page.goto(f"{SITE}/oauth2/sign_out")
        page.wait_for_selector("#kc-login")
        found["after_logout"] = page.url.partition("?")[0]
        found["complaints"] = complaints
        browser.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main()

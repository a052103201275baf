"""Runs on the client's machine, beside browser.py: a person logs in, looks at an experiment, and logs out.

Environment: SITE_URL, PERSON, PASSWORD, EXPERIMENT (its id), RUN (the name of a run in it). Prints a JSON object: what the page shows, and what the
browser complained of.
"""

import json
import os

from browser import chromium

SITE, RUN = os.environ["SITE_URL"], os.environ["RUN"]


def main():
    found = {}
    with chromium() as (page, complaints):
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
        found["complaints"] = list(complaints)
        page.goto(f"{SITE}/oauth2/sign_out")
        page.wait_for_selector("#kc-login")
        found["after_logout"] = page.url.partition("?")[0]
    print(json.dumps(found))


if __name__ == "__main__":
    main()

"""Runs on the client's machine, beside browser.py: somebody looks at the artifacts of a run, takes one, and the page stores one.

Environment: SITE_URL, PERSON, PASSWORD, RUN_PATH (what follows # of the run's page). Prints a JSON object.
"""

import json
import os

from browser import chromium, take, wait_for_width

SITE, RUN_PATH = os.environ["SITE_URL"], os.environ["RUN_PATH"]
# MLflow's own pages do so with tables of answers to prompts; they have no button for files.
STORE = """async ([run, path]) => {
    const body = JSON.stringify({columns: ["text"], data: [["h\\u00e4llo"]]})
    const answer = await fetch(`ajax-api/2.0/mlflow/upload-artifact?run_uuid=${run}&path=${path}`, {method: "POST", body})
    return [answer.status, await answer.text()]
}"""


def main():
    found = {"taken": []}
    login = {"username": os.environ["PERSON"], "password": os.environ["PASSWORD"]}
    with chromium(http_credentials=login, accept_downloads=True) as (page, complaints):
        page.goto(f"{SITE}/#{RUN_PATH}/artifacts/picture.png")
        wait_for_width(page, 37)
        page.get_by_text("words.txt", exact=True).click()
        page.get_by_text("these are the words").first.wait_for()
        found["stored"] = page.evaluate(STORE, [RUN_PATH.rpartition("/")[2], "table.json"])
        for name in ("words.txt", "large.bin", "picture.png"):
            found["taken"].append(take(page, name))
        found["complaints"] = complaints
    print(json.dumps(found))


if __name__ == "__main__":
    main()

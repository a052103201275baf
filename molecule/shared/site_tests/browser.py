"""For programs on a client's machine: a real Chromium, what it complains of, and what it does with artifacts."""

import contextlib
import hashlib
import pathlib
import time

from playwright.sync_api import sync_playwright

LIMIT = 90_000  # milliseconds; tests run on busy machines


@contextlib.contextmanager
def chromium(**settings):
    complaints = []

    def complain(text):
        # What became a download, and what is told by its status.
        if "ERR_ABORTED" not in text and "Failed to load resource" not in text:
            complaints.append(text)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_context(**settings).new_page()
        page.set_default_timeout(LIMIT)
        page.on("console", lambda message: complain(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complain(str(error)))
        page.on("requestfailed", lambda request: complain(f"{request.url}: {request.failure}"))
        page.on("response", lambda answer: complain(f"{answer.url}: {answer.status}") if answer.status >= 400 else None)
        yield page, complaints
        browser.close()


def wait_for_width(page, width):
    """Until a picture as wide as this is shown. The page's policy forbids Playwright to wait inside of it."""
    end = time.monotonic() + 60
    while width not in (widths := page.evaluate("[...document.images].map(image => image.naturalWidth)")):
        assert time.monotonic() < end, f"pictures are {widths} wide"
        page.wait_for_timeout(100)


def take(page, name):
    """Download it by the button."""
    page.get_by_text(name, exact=True).first.click()
    button = page.locator("[data-component-id$='artifactview.tsx_337']")
    button.wait_for()
    with page.expect_download() as download:
        button.click()
    content = pathlib.Path(download.value.path()).read_bytes()
    return [download.value.suggested_filename, download.value.url.partition("?")[0], hashlib.sha256(content).hexdigest()]

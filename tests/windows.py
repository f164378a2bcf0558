"""Windows of a browser, for tests of pages."""

import os
import shutil
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect, sync_playwright

CHROMIUM = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
BADGES = ("https://colab.research.google.com/assets/colab-badge.svg", "https://mybinder.org/badge_logo.svg")
"""What JupyterLab asks for because a notebook shows it."""
HERE = ("file:", "data:", "blob:", "http://127.0.0.1", "ws://127.0.0.1")
PATIENCE = 600_000  # milliseconds; only what hangs takes so long, on a slow machine too
expect.set_options(timeout=PATIENCE)


@contextmanager
def chromium():
    """Debian's Chromium, headless. While it is open, nothing else in this thread can run an event loop."""
    executable = shutil.which("chromium")
    if executable is None:
        reason = "chromium is not installed"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=CHROMIUM)
        yield browser
        browser.close()


@contextmanager
def window(browser, width=1280):
    """A window; closing it fails if its pages asked for anything on the internet, lacked a file or had an error."""
    context = browser.new_context(viewport={"width": width, "height": 1000})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    asked, failed = [], []
    page.route(lambda url: not url.startswith(HERE), lambda route: route.abort())
    page.on("request", lambda request: asked.append(request.url))
    page.on("requestfailed", lambda request: failed.append(request.url) if request.url.startswith("file:") else None)
    page.on("pageerror", lambda error: failed.append(str(error)))
    yield page
    context.close()
    assert not failed
    assert not [url for url in asked if not url.startswith((*HERE, *BADGES))]

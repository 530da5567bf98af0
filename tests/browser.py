"""A real browser (Chromium, by Selenium) that opens a page as a file: alone, silently, by day or by night."""

import json
import shutil

import pytest

FLAGS = [
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
]


def started(profile):
    """A browser that keeps a log of its console and of everything that it asks for."""
    driver_path, binary = shutil.which("chromedriver"), shutil.which("chromium") or shutil.which("google-chrome")
    if driver_path is None or binary is None:
        pytest.skip("needs chromium and chromedriver (Debian: apt install chromium chromium-driver)")
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService

    options = ChromeOptions()
    options.binary_location = binary
    for flag in [*FLAGS, f"--user-data-dir={profile}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return Chrome(options=options, service=ChromeService(driver_path))


def opened(browser, page, *, width=1280, dark=False):
    """Open `page` as a file; everything that was asked for is that file, and the console is silent."""
    browser.get_log("browser"), browser.get_log("performance")
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(page.as_uri())
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requests = [m["params"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    # What the browser asks for its own first page is not the page's.
    asked = {r["request"]["url"] for r in requests if r["documentURL"] == page.as_uri()}
    assert {url for url in asked if not url.startswith("data:")} == {browser.current_url} == {page.as_uri()}
    assert browser.get_log("browser") == []
    return browser


def js(browser, script, *arguments):
    return browser.execute_script(script, *arguments)

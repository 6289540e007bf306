"""A headless Chromium and a cluster, both kept for all tests of a module."""

import uuid

import pytest
from cluster import Cluster
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,800",
]


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in CHROMIUM_FLAGS:
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('chromium')}")
    options.accept_insecure_certs = True  # of tests
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
    yield browser
    browser.quit()


@pytest.fixture(scope="module")
def cluster():
    with Cluster(options={"hibernate-after": "1s", "rate-limit": "0", "hub-view": "true"}) as running:
        yield running


@pytest.fixture
def hub_name():
    """A hub that no other test uses."""
    return f"test-{uuid.uuid4().hex[:12]}"

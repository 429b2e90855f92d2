"""A real browser for tests, and what its windows complain about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.serve.running import Running

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """A real Chromium."""
    with sync_playwright() as player:
        opened = player.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield opened
        opened.close()


def opened(browser: Browser, service: Running, size: Any, *, script: bool = True, scheme: Any = "light") -> BrowserContext:
    """A window; everything the page complains about fails the test."""
    return browser.new_context(base_url=service.address, viewport=size, java_script_enabled=script, color_scheme=scheme)


def quiet(page: Page) -> list[str]:
    """What the page complains about from now on: errors of scripts, refusals of the policy, requests that leave."""
    heard: list[str] = []
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("console", lambda message: heard.append(message.text) if message.type in ("error", "warning") else None)
    return heard

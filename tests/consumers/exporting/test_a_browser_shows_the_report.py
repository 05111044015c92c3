"""The report in a real Chromium: the charts are drawn, nothing is asked of anybody, and it can be printed."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from tests.consumers.exporting.test_the_report_is_one_page import made
from tests.left_out import leave_out

ALONE = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update",
    "--disable-background-networking", "--disable-sync", "--enable-logging=stderr",
)  # fmt: skip
DARK, LIGHT = (0x0B, 0x4F, 0x6C), (0xF0, 0xB4, 0x29)
WIDTH, HEIGHT = 900, 2_400


class Browser:
    """A Chromium of a test's own."""

    def __init__(self, command: str, folder: Path) -> None:
        self._command, self._folder = command, folder

    def open(self, language: str, *options: str) -> str:
        """Opens the report; what the browser said of it."""
        page = self._folder / f"{language}.html"
        page.write_text(made(language), "utf-8")
        profile = f"--user-data-dir={self._folder / 'profile'}"
        done = subprocess.run(
            [self._command, *ALONE, profile, *options, page.as_uri()],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return done.stdout + done.stderr


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    found = shutil.which("chromium")
    if found is None:
        leave_out("there is no browser: install chromium (Debian)")
    return Browser(found, tmp_path)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_its_charts_are_drawn_and_the_browser_complains_of_nothing(
    browser: Browser, tmp_path: Path, language: str
) -> None:
    picture = tmp_path / "report.png"
    said = browser.open(language, f"--screenshot={picture}", f"--window-size={WIDTH},{HEIGHT}")
    assert "CONSOLE" not in said, "an address that its own policy forbids, or an error, would be told there"
    with Image.open(picture) as shown:
        colours = shown.convert("RGB").getcolors(WIDTH * HEIGHT)
    assert colours is not None
    seen = {colour: many for many, colour in colours}
    assert seen[DARK] > 20_000
    assert seen[LIGHT] > 2_000


def test_it_can_be_printed(browser: Browser, tmp_path: Path) -> None:
    paper = tmp_path / "report.pdf"
    browser.open("fr", f"--print-to-pdf={paper}", "--no-pdf-header-footer")
    pages = len(re.findall(rb"/Type\s*/Page\b", paper.read_bytes()))
    assert 2 <= pages <= 4, "a chart that is torn, or a table that is pushed to a page of its own, would make more"

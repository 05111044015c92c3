"""Documentation is tested: its links lead somewhere, its commands exist, what is generated is current."""

import re
import tomllib
from pathlib import Path

import pytest

from consumers.bootstrap import default_policy
from consumers.cli import reference
from consumers.settings import Settings
from schemas.events import EVENT_TYPES
from schemas.policy import Policy, Purpose
from tests.consumers.commands import Commands

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_in_code_exists(page: Path) -> None:
    named = re.findall(
        r"`((?:schemas|ledger|projections|consumers|tests|docs)/[\w/.-]+\.(?:py|md|toml|json))`", page.read_text()
    )
    for name in named:
        assert (ROOT / name).exists(), name


def test_the_page_of_commands_is_what_the_commands_say() -> None:
    assert (ROOT / "docs" / "commands.md").read_text("utf-8") == reference.page()


def test_the_commands_of_the_readme_run_as_they_stand(commands: Commands, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("number\n+14165550131\n+14165550132\n")
    blocks = re.findall(r"```console\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("$ prefledger")]
    assert len(lines) >= 6
    for line in lines:
        expected = 1 if "# 1" in line else 0
        arguments = line.removeprefix("$ prefledger").partition("  #")[0].split()
        assert commands(*arguments).code == expected, line


def test_every_make_target_that_the_readme_names_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)", (ROOT / "README.md").read_text("utf-8"))) <= targets


def test_every_setting_policy_field_and_event_has_its_line() -> None:
    settings = (ROOT / "docs" / "settings.md").read_text("utf-8")
    assert all(f"`PREFLEDGER_{name.upper()}`" in settings for name in Settings.model_fields)
    policy = (ROOT / "docs" / "policy.md").read_text("utf-8")
    assert all(f"`{name}`" in policy for name in Policy.model_fields)
    assert all(f"`purposes.*.{name}`" in policy for name in Purpose.model_fields)
    events = (ROOT / "docs" / "events.md").read_text("utf-8")
    assert all(f"`{name}`" in events for name in EVENT_TYPES)


def test_the_default_policy_says_every_switch_that_it_sets_as_the_documentation_does() -> None:
    text = (ROOT / "consumers" / "default_policy.toml").read_text("utf-8")
    assert Policy.model_validate(tomllib.loads(text)) == default_policy()


def test_no_file_names_a_path_of_a_machine_or_the_host_of_a_package_index() -> None:
    forbidden = re.compile(
        r"/(?:home|root)/\w|https?://[^\s/]*(?:pypi|artifact|mirror|proxy|registry)[^\s/]*/(?!project)"
    )
    for path in [*ROOT.glob("*.lock"), *ROOT.glob("*.toml"), *ROOT.glob("*.md"), ROOT / "Makefile"]:
        assert not forbidden.search(path.read_text("utf-8")), path

"""The rules of `docs/alerts.yml`, by Prometheus's own tool: each fires when it should and else it does not."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.left_out import leave_out

ROOT = Path(__file__).resolve().parents[1]
RULES, CASES = ROOT / "docs" / "alerts.yml", Path(__file__).with_name("alerts_test.yml")
FIRING = re.compile(r'^count\(ALERTS\{alertname="(\w+)",alertstate="firing"\}\)$')


def promtool(*arguments: str) -> None:
    """Ends well."""
    tool = shutil.which("promtool")
    if tool is None:
        leave_out("there is no promtool to try the alerts with: install Debian's prometheus")
    done = subprocess.run([tool, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_rules() -> None:
    promtool("check", "rules", str(RULES))


def test_each_fires_and_does_not_as_its_cases_say() -> None:
    promtool("test", "rules", str(CASES))


def test_each_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    rules: dict[str, Any] = yaml.safe_load(RULES.read_text("utf-8"))
    cases: dict[str, Any] = yaml.safe_load(CASES.read_text("utf-8"))
    tried = set()
    for case in cases["tests"]:
        for one in case["promql_expr_test"]:
            found = FIRING.match(one["expr"])
            assert found, one
            tried.add((found[1], bool(one["exp_samples"])))
    named = [rule["alert"] for group in rules["groups"] for rule in group["rules"]]
    assert tried == {(name, fires) for name in named for fires in (True, False)}

"""`make demo` is the first thing that a newcomer sees: it must run, and explain itself."""

from tests.consumers.commands import Commands


def test_the_demo_tells_the_case_to_its_end_and_leaves_the_ledger_of_the_settings_alone(commands: Commands) -> None:
    told = commands("demo")
    assert told.code == 0, told
    for fact in ("procedure_withdrawn", "partial", "revoked_by_account", "0 uncovered, 0 partial", "0 differ"):
        assert fact in told.out
    assert not commands.home.exists()

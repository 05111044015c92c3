"""Whatever a URL says of how to reach a server, each driver of it hears."""

import pytest
from psycopg.conninfo import conninfo_to_dict

from projections.adapters.read_model_engine import conninfo_of, database_url

URLS = [
    "postgresql://ana:p%40ss%20'w\\ord@db.example:5433/models?sslmode=verify-full&sslrootcert=/etc/ca%20s.pem",
    "postgres://ana@/models?host=/var/run/pg&port=5433",
    "postgresql+psycopg://ana:secret@/models?host=one:5432&host=two:5433&target_session_attrs=read-write",
]


@pytest.mark.parametrize("url", URLS)
def test_what_the_engine_hears_the_driver_of_arrow_hears(url: str) -> None:
    parsed = database_url(url)
    _, engines = parsed.get_dialect()().create_connect_args(parsed)
    heard = conninfo_to_dict(
        conninfo_of(url, "read_models,analysis", {"default_transaction_isolation": "repeatable read"})
    )
    assert heard | {name: str(value) for name, value in engines.items()} == heard
    assert heard["options"] == (
        "-c search_path=read_models,analysis -c timezone=UTC -c default_transaction_isolation=repeatable\\ read"
    )

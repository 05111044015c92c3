"""What Alembic runs: the revisions, on the connection and in the transaction that `read_model_versions.py` gives it."""

from alembic import context

from projections.adapters.read_models import READ_MODELS

context.configure(connection=context.config.attributes["connection"], target_metadata=READ_MODELS, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()

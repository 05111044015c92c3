"""The rows of the read models, made from events and folded states. Pure: the folds are the only truth.

A row is a tuple in the order of its table's columns (`projections/adapters/read_models.py`). Times are milliseconds
since 1970, UTC.
"""

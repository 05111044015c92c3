"""A page of pictures of the read models: what was asked of the database, drawn, and written as one file."""

"""How the tables of the read models came to be, revision by revision; each stays as it was released."""

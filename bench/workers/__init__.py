"""The same fold in what others use, each in a process of its own: a program of each, and nothing that is imported."""

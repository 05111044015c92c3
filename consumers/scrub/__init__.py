"""The gate's question for every row of a file: `scrub_file`."""

from consumers.scrub.scrub import scrub_file
from consumers.scrub.wanted import NOT_A_CONTACT, Result, Wanted

__all__ = ["NOT_A_CONTACT", "Result", "Wanted", "scrub_file"]

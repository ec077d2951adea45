"""The command line of casestore."""

_PART_OF = "casestore"  # see casestore/__main__.py

"""casestore."""

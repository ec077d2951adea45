"""The torture machine: real processes on one store, faults at random moments, and a checker.

docs/testing.md tells how to run it and what it checks.
"""

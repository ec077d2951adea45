"""`python -m tests.mutation`."""

from tests.mutation import main

main()

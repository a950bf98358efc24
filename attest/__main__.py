"""`python -m attest`."""

from attest.cli.main import main

main()

"""`python -m evalshift` is the same as `evalshift`."""

from evalshift.cli import main

main()

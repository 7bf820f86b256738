"""`python -m msml`."""

from msml.cli import main

main()

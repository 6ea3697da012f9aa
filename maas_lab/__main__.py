"""Hand over to the command line: `python -m maas_lab`."""

from maas_lab.cli import main

main()

"""``python -m subtok``: the command line without the script on the path."""

import sys

from subtok.cli import main

sys.exit(main())

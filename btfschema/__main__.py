"""``python -m btfschema``."""

from btfschema.cli import main

main()

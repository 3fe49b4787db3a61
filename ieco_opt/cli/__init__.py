"""The command line, a thin layer over the library."""

from ieco_opt.cli.signals import leaving_at_once

with leaving_at_once():
    from ieco_opt.cli.main import main

__all__ = ["main"]

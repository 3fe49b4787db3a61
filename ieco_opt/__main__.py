"""Run the command line as `python -m ieco_opt`."""

from ieco_opt.cli import main

if __name__ == "__main__":
    main()

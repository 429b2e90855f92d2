"""`python -m dissect` is the `dissect` command."""

from dissect.cli.main import main

if __name__ == "__main__":
    main()

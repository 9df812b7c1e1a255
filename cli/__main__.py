"""`python -m cli` is `cl`, also where no `cl` command is on the path."""

from cli.app import main

if __name__ == "__main__":
    main()

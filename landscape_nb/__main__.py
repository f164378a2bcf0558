"""`python -m landscape_nb` is the command `landscape-nb`."""

from landscape_nb.cli import main

if __name__ == "__main__":
    main(prog_name="landscape-nb")

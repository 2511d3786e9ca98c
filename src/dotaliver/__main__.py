"""The command line as ``python -m dotaliver``, where the ``dotaliver`` program is not on the path."""

from dotaliver.cli import main

if __name__ == "__main__":
    main()

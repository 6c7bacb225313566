"""The command ``biodeephashing``, as ``python -m biodeephashing``."""

from biodeephashing.cli import run

if __name__ == "__main__":
    raise SystemExit(run())

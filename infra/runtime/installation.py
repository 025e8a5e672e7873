"""The directories of this installation of Errand, which no sandbox may show."""

import site
import sys
from pathlib import Path


def own_directories() -> tuple[Path, ...]:
    """Return the checkout, or the packages Errand is installed in, and its own environment."""
    source = Path(__file__).resolve().parents[2]
    is_checkout = (source / "pyproject.toml").is_file()
    own = [source] if is_checkout else []
    if sys.prefix != sys.base_prefix:
        own.append(Path(sys.prefix).resolve())
    else:
        own += [path for each in site.getsitepackages() if (path := Path(each).resolve()).is_dir()]
    return tuple(own)

"""One version, in pyproject.toml."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

import cordwood
from cordwood import _core


def test_version_is_the_same_everywhere(root: Path) -> None:
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    version = re.findall(r'^version = "([^"]+)"$', text, flags=re.MULTILINE)
    assert version == [cordwood.__version__]
    assert _core.__version__ == cordwood.__version__
    assert importlib.metadata.version("cordwood") == cordwood.__version__

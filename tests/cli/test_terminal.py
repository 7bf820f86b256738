"""Terminals that cannot show everything."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_a_terminal_cannot_show_ends_nothing(tmp_path: Path, event_file: Path, encoding):
    shutil.copy(event_file, tmp_path / "α.h5")
    found = subprocess.run(
        [sys.executable, "-m", "msml", "inspect", "α.h5", "--page", "page.png"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert b"?.h5" in found.stdout
    assert (tmp_path / "page.png").exists()

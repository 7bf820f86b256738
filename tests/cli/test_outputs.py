"""What msml writes takes the place of nothing that it did not write, and fails no run."""

import os
import subprocess
import sys

import pytest

from msml.errors import RecipeError
from msml.files import atomic, user_path
from msml.report.write import PAGE, check_folder

OUTPUT = "from msml.cli.output import lasting; import sys; sys.stdout = lasting(sys.stdout)\n"


@pytest.mark.parametrize(
    "name", ["~nobody-there/x.h5", "a\nb", "a\0b", "x" * 300, "x/" * 3000, "\udcff"]
)
def test_a_path_that_cannot_be_is_one_short_line(name):
    with pytest.raises(RecipeError) as found:
        user_path(name)
    assert len(str(found.value).splitlines()) == 1
    assert len(str(found.value)) < 300


def test_an_output_under_a_file_is_one_line(tmp_path):
    (tmp_path / "file").write_text("mine")
    from msml.errors import DataError

    with pytest.raises(DataError, match="cannot be written"), atomic(tmp_path / "file" / "x"):
        pass


def test_a_report_takes_the_place_of_reports_only(tmp_path):
    check_folder(tmp_path / "new")
    check_folder(tmp_path)
    (tmp_path / PAGE).write_text("<html>mine")
    with pytest.raises(RecipeError, match="holds other files"):
        check_folder(tmp_path)
    with pytest.raises(RecipeError, match="is a file"):
        check_folder(tmp_path / PAGE)
    (tmp_path / PAGE).write_text('<html><meta name="generator" content="msml">')
    check_folder(tmp_path)


@pytest.mark.parametrize("reader", ["full", "gone"])
def test_output_that_cannot_be_written_fails_nothing(reader):
    code = OUTPUT + "print('±' * 100_000); sys.stdout.flush(); print('more')"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    if reader == "full":
        out = os.open("/dev/full", os.O_WRONLY)
    else:
        end, out = os.pipe()
        os.close(end)
    made = subprocess.run(
        [sys.executable, "-c", code], stdout=out, stderr=subprocess.PIPE, env=environment
    )
    os.close(out)
    assert (made.returncode, made.stderr) == (0, b"")

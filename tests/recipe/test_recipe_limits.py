"""What a recipe's files may be, so that none is waited for and none fills the memory."""

import os
from pathlib import Path

import pytest
from recipe_schema import problems, write

from msml.errors import RecipeError
from msml.registry import load_plugins

BOMB = "a0: &a0 [1, 1]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9)
)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: os.mkfifo(path), "is a pipe or a device, expected a file"),
        (lambda path: os.symlink("/dev/zero", path), "is a pipe or a device, expected a file"),
        (lambda path: path.write_bytes(b"#" * (10**7 + 1)), "is larger than 10 MB"),
        (lambda path: path.mkdir(), "is a directory, expected a file"),
    ],
)
def test_only_small_regular_files_are_read(make, said):
    make(Path("r.yaml"))
    (found,) = problems("r.yaml")
    assert found.startswith(f"r.yaml: {said}")
    (found,) = problems(write("extends: r.yaml\n", "other.yaml"))
    assert found.startswith(f"r.yaml: {said}")
    with pytest.raises(RecipeError, match=r"^plugin r\.yaml: is ") as caught:
        load_plugins(["r.yaml"])
    assert said in str(caught.value)


def test_twenty_levels():
    write("seed: 1\n", "0.yaml")
    for i in range(1, 23):
        write(f"extends: {i - 1}.yaml\n", f"{i}.yaml")
    assert not any("extend" in line for line in problems("20.yaml"))
    assert problems("21.yaml") == [
        "1.yaml:1: extends: a recipe may extend at most 20 others, one after the other"
    ]


def test_aliases_are_counted_written_out():
    (found,) = problems(write(BOMB))
    assert found == "r.yaml:1: more than 100000 values, the most that is read, aliases written out"


def test_an_alias_of_itself_ends():
    (found,) = problems(write("a: &a [*a]\n"))
    assert "an alias that contains itself" in found


def test_a_number_of_very_many_digits():
    (found,) = problems(write(f"seed: 0x1{'0' * 5000}\n"))[:1]
    assert found == "r.yaml:1: seed: not a int"

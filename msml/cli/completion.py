"""Completion of commands in bash, zsh and fish."""

from typing import ClassVar

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
)

from msml.cli.command import command

VARIABLE = "_MSML_COMPLETE"
"""Name of the environment variable by which a shell asks."""

_BREAKS = ("=", ":")  # of bash's words


def _put(script: str, before: str, lines: str) -> str:
    """Put lines into a script of Click's, before a line of it."""
    start, found, end = script.partition(before)
    if not found:
        raise RuntimeError(f"Click's completion script has no {before!r} any more")
    return f"{start}{lines}{found}{end}"


class _Bash(BashComplete):
    """Bash takes `=` for a word of its own, and puts a space after all that is complete."""

    source_template: ClassVar[str] = _put(
        BashComplete.source_template,
        "    return 0\n",
        "    [[ ${#COMPREPLY[@]} == 1 && $COMPREPLY == *[.=/] ]] && compopt -o nospace\n\n",
    )

    def get_completion_args(self) -> tuple[list[str], str]:
        """Join the words that bash has broken."""
        words, last = super().get_completion_args()
        joined: list[str] = []
        for word in [*words, last]:
            if joined and (word in _BREAKS or joined[-1].endswith(_BREAKS)):
                joined[-1] += word
            else:
                joined.append(word)
        self._kept = len(joined[-1]) - len(last) + (last in _BREAKS)
        return joined[:-1], joined[-1]

    def format_completion(self, item: CompletionItem[str]) -> str:
        """Leave out what bash keeps of the word."""
        return f"{item.type},{item.value[self._kept :]}"


class _Zsh(ZshComplete):
    """No space follows a key that goes on."""

    source_template: ClassVar[str] = _put(
        ZshComplete.source_template,
        '    if [ -n "$completions_with_descriptions" ]; then\n',
        "    local -a ending\n"
        '    [[ "${completions[1]}${completions_with_descriptions[1]%%%%:*}" == *[.=/] ]]'
        " && ending=(-S '')\n\n",
    ).replace(" -U", ' -U "${ending[@]}"')


SHELLS: dict[str, type[ShellComplete]] = {"bash": _Bash, "zsh": _Zsh, "fish": FishComplete}
for _name, _shell in SHELLS.items():
    add_completion_class(_shell, _name)


@command()
@click.argument("shell", type=click.Choice(list(SHELLS)))
def completion(shell: str) -> None:
    """Print what lets a shell complete commands, recipes, keys and their values.

    \b
    bash: eval "$(msml completion bash)" in ~/.bashrc
    zsh:  eval "$(msml completion zsh)" in ~/.zshrc, after compinit
    fish: msml completion fish | source in ~/.config/fish/config.fish

    \b
    Example:
      msml completion bash
    """
    root = click.get_current_context().find_root().command
    click.echo(SHELLS[shell](root, {}, "msml", VARIABLE).source(), nl=False)

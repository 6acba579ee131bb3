"""`gameday completion`: the script that makes a shell complete our commands, options and ids."""

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script for your shell.

    \b
    bash:  gameday completion bash >> ~/.bashrc
    zsh:   gameday completion zsh >> ~/.zshrc
    fish:  gameday completion fish > ~/.config/fish/completions/gameday.fish
    """
    from click.shell_completion import get_completion_class

    from chaos.cli.main import gameday

    kind = get_completion_class(shell)
    assert kind is not None, "click.Choice lets no other through"
    click.echo(kind(gameday, {}, "gameday", "_GAMEDAY_COMPLETE").source())

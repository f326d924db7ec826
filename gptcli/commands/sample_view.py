"""Progress of a text that is not streamed."""

from rich.progress import Progress

from gptcli.commands.terminal import is_interactive, progress_console
from gptcli.inference.writing import Writer


def show_progress(writer: Writer, n_tokens: int) -> list[str]:
    """Write all samples to the end and return their texts."""
    with Progress(
        console=progress_console(), transient=True, disable=not is_interactive()
    ) as progress:
        task = progress.add_task("writing", total=n_tokens)
        return writer.texts(lambda: progress.advance(task))

"""What goes in: files, sentences, words, tags, windows. Nothing here imports torch."""


class InputError(ValueError):
    """A mistake in the user's files or flags.

    The message is one line: `file:line` or the flag, then the value, then the fix. Command lines print it on
    stderr and exit with code 2; from Python it is an ordinary `ValueError`.
    """


def raise_input_error(message):
    """In place of `ArgumentParser.error`: an InputError, without the usage text."""
    raise InputError(message.removeprefix("argument "))

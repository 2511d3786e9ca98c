"""Text from files as people may be shown it: nothing in it steers a terminal or turns the line around."""

from __future__ import annotations

__all__ = ["printable"]


def printable(text: str, keep: str = "") -> str:
    r"""Text with every character that cannot be seen as its escape, such as ``\x1b`` for ESC.

    Control characters (C0, C1), line breaks, marks that turn the direction of writing, and bytes of a file's name that
    are no text are all among these.

    Parameters
    ----------
    text : str
    keep : str
        Characters that stay as they are, such as line breaks.

    Examples
    --------
    >>> printable("Liver\x1b[2J")
    'Liver\\x1b[2J'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else _escape(c) for c in text)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

"""What can go wrong in drawing."""


class RendererError(RuntimeError):
    """A renderer cannot work here; the message names it, the cause and the remedy."""

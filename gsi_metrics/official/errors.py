"""What may go wrong in an exchange."""

from __future__ import annotations


class OfficialError(ValueError):
    """Files that cannot be exchanged; the message names the file, the field and the remedy."""

"""The operation, guessed from the first word of the prompt as the published program does."""

from __future__ import annotations


VERBS = {
    "move": ("move", "shift", "relocate", "place", "put", "push", "pull"),
    "rotate": ("rotate", "turn", "spin"),
    "remove": ("remove",),
    "scale": ("scale", "resize", "make", "shrink", "reduce", "enlarge", "expand", "increase"),
    "view": ("view", "changeview", "look"),
}
_OPERATION = {verb: operation for operation, verbs in VERBS.items() for verb in verbs}


def operation_from_prompt(prompt: str) -> str:
    """One of `VERBS`, or the first word itself, in lower case, if it is no known verb.

    Args:
        prompt: split at single spaces, so two spaces hide the verb; "camera" anywhere means a change of view.

    Raises:
        ValueError: the prompt is no text, or only "please".
    """
    if not isinstance(prompt, str):
        raise ValueError(f"the prompt of an edit must be a text, not {prompt!r}")
    tokens = prompt.split(" ")
    token = tokens[0].lower()
    if token == "please":
        if len(tokens) < 2:
            raise ValueError(f"the prompt {prompt!r} asks for nothing")
        token = tokens[1].lower()
    if "camera" in prompt and "from the camera" not in prompt and "to the camera" not in prompt:
        return "view"
    return _OPERATION.get(token, token)

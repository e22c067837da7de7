"""From the name and the parameters of an action to the method that does it."""

from __future__ import annotations

import inspect
import keyword
import re
from typing import Any

from tests.thor.agent import AgentActions
from tests.thor.objects import ObjectActions
from tests.thor.questions import Questions
from tests.thor.settings import SettingActions
from tests.thor.state import ActionError, State


# Parameters that go with every action.
_COMMON = ("action", "sequenceId", "renderImage", "agentId", "renderNormalsImage", "renderInstanceSegmentation")


def perform(state: State, action: dict[str, Any]) -> Any:
    """Do an action; gives its `actionReturn`.

    Each public method of the groups is an action: `MoveAhead` is `move_ahead`, and its parameters are Unity's.

    Raises:
        ActionError: it cannot be done; with Unity's codes if there is no such action or its parameters are wrong.
    """
    name = str(action["action"])
    method_name = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    method_name += "_" * keyword.iskeyword(method_name)
    groups = (SettingActions(state), AgentActions(state), Questions(state), ObjectActions(state))
    method = next((found for group in groups if (found := getattr(group, method_name, None))), None)
    if method is None or not name[:1].isupper():
        raise ActionError(f"Invalid action: {name}", "InvalidAction")
    parameters = inspect.signature(method).parameters
    given = {key: value for key, value in action.items() if key in parameters or key not in _COMMON}
    if not any(item.kind is inspect.Parameter.VAR_KEYWORD for item in parameters.values()):
        missing = [key for key, item in parameters.items() if item.default is item.empty and key not in given]
        wrong = [key for key in given if key not in parameters]
        _complain(name, "is missing argument", "MissingArguments", missing, list(parameters))
        _complain(name, "called with invalid argument", "InvalidArgument", wrong, list(parameters))
    state.moved = None
    return method(**given)


def _complain(action: str, text: str, code: str, names: list[str], expected: list[str]) -> None:
    if names:
        listed = ", ".join(f"'{name}'" for name in names)
        plural = "s" if len(names) > 1 else ""
        message = f'\n\tAction: "{action}" {text}{plural}: {listed}\n\tExpected arguments: {", ".join(expected)}'
        raise ActionError(message, code)

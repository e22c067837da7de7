"""One AI2-THOR player process behind the real `ai2thor.controller.Controller`, started anew when it fails.

ai2thor waits for ever for a player that hangs, or that dies before it has said a word. A thread watches over every
wait: it ends the process when its time is up, and opens the pipe that the controller waits at, so that it goes on and
reports.
"""

from __future__ import annotations

import contextlib
import ctypes.util
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar

from gsi_datasets.worlds.specs import ThorWorld, WorldError


Result = TypeVar("Result")
VERSION = "5.0.0"
START_SECONDS, ANSWER_SECONDS = 300.0, 60.0
"""How long a player may take for its first message, and for any other."""
MOST_RESTARTS = 30
"""Of one process; a player that needs more is broken."""
CHANCES = 5
"""How often one piece of work is begun again in a fresh player."""
# Of the constructor; images of extra cameras need the same switches as those of the agent's.
_SETTINGS: dict[str, Any] = {
    "agentMode": "default",
    "gridSize": 0.25,
    "snapToGrid": False,
    "visibilityDistance": 1.5,
    "renderDepthImage": True,
    "renderInstanceSegmentation": True,
    "makeAgentsVisible": False,
}
QUALITY = "High WebGL"

ThorScene = str | dict[str, Any]
Platform = Literal["auto", "cloud", "x"]


class PlayerError(RuntimeError):
    """The player fails again and again; the message says how often and what it last did."""


class PlayerFault(Exception):  # noqa: N818
    """The player died, hung or answered nonsense; the work has to be done again in a fresh one."""


class ThorPlayer:
    """A player of scenes.

    Args:
        executable: a player on this machine; the one that ai2thor downloads if empty.
        platform: as in `ThorWorld`.
        size: width and height of pictures, pixels.
        seconds: limits for the first message and for any other; `START_SECONDS` and `ANSWER_SECONDS` if None.
    """

    def __init__(
        self,
        executable: str,
        platform: Platform,
        size: int,
        seconds: tuple[float, float] | None = None,
    ) -> None:
        self._start_seconds, self._seconds = seconds or (START_SECONDS, ANSWER_SECONDS)
        self._arguments = _where(executable, platform) | {"width": size, "height": size, "quality": QUALITY}
        self._controller: Any = None
        self.restarts = 0
        self.scene: ThorScene | None = None

    def insist(self, work: Callable[[], Result]) -> Result:
        """Do a piece of work, again from its beginning in a fresh player whenever that one fails.

        Raises:
            PlayerError: it fails too often.
        """
        for chance in range(CHANCES):
            try:
                return work()
            except PlayerFault as error:
                self.stop()
                self.restarts += 1
                if self.restarts > MOST_RESTARTS or chance == CHANCES - 1:
                    raise PlayerError(
                        f"the AI2-THOR player failed {self.restarts} times, last: {error}; see its log in "
                        "~/.ai2thor/log and ~/.config/unity3d, and gsi-bench doctor"
                    ) from error
        raise AssertionError

    def load(self, scene: ThorScene) -> dict[str, Any]:
        """Begin a scene from its recorded state, whatever was before; gives the metadata.

        Args:
            scene: a name such as ``FloorPlan12``, or the dictionary of a ProcTHOR house.

        Raises:
            WorldError: there is no such scene.
            PlayerFault: the player failed.
        """
        self.scene = None
        with self._watched(self._start_seconds if self._controller is None else self._seconds):
            if self._controller is None:
                self._start(scene)
            else:
                self._controller.reset(scene)
        event = self._controller.last_event
        if not event.metadata["lastActionSuccess"]:
            raise WorldError(f"AI2-THOR cannot play the scene {_named(scene)}: {event.metadata['errorMessage']}")
        self.scene = scene
        found: dict[str, Any] = event.metadata
        return found

    def step(self, action: str, **parameters: Any) -> Any:
        """Do an action; gives ai2thor's event, whether or not it succeeded.

        Raises:
            PlayerFault: the player failed.
        """
        assert self._controller is not None
        with self._watched(self._seconds):
            return self._controller.step(action=action, **parameters)

    def stop(self) -> None:
        """End the process, if there is one."""
        controller, self._controller, self.scene = self._controller, None, None
        if controller is not None:
            with contextlib.suppress(Exception):
                controller.stop()
            process = getattr(getattr(controller, "server", None), "unity_proc", None)
            if process is not None:
                process.kill()
                process.wait()

    def _start(self, scene: ThorScene) -> None:
        from ai2thor.controller import Controller

        class Started(Controller):
            """Known to its player before it is complete: the constructor is where it may wait in vain."""

            known: Any = None

            def __init__(this, **arguments: Any) -> None:  # noqa: N805
                self._controller = this
                super().__init__(**arguments)

            @property
            def server(this) -> Any:  # noqa: N805
                return this.known

            @server.setter
            def server(this, value: Any) -> None:  # noqa: N805
                # After a crash ai2thor forgets it, and stops nothing when the interpreter ends.
                this.known = value or this.known

            def start(this, *arguments: Any, **named: Any) -> Any:  # noqa: N805
                if this.last_event is not None:
                    raise PlayerFault("the player crashed")  # ai2thor would start it again, without an end
                this.server_start_timeout = None  # the constructor takes none
                return super().start(*arguments, **named)

        # Without time limits of its own ai2thor notices at once that a player has ended.
        try:
            Started(scene=scene, server_timeout=None, **_SETTINGS, **self._arguments)
        except ValueError as error:
            if "not contained in build" in str(error):
                self.stop()
                raise WorldError(
                    f"world.scenes: this AI2-THOR player has no scene {_named(scene)}; names are case sensitive, "
                    "e.g. FloorPlan1, FloorPlan_Train1_1"
                ) from error
            raise
        except PlayerFault:
            raise
        except Exception as error:
            if getattr(getattr(self._controller, "server", None), "unity_proc", None) is not None:
                raise
            self.stop()
            raise WorldError(
                f"AI2-THOR cannot start a player ({type(error).__name__}: {error}); it downloads one of about 1 GB "
                "from the network once: gsi-bench doctor says how, or name a player as world.executable"
            ) from error

    @contextlib.contextmanager
    def _watched(self, seconds: float) -> Iterator[None]:
        over = threading.Event()
        late: list[str] = []
        watch = threading.Thread(target=self._watch, args=(seconds, over, late), daemon=True)
        watch.start()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except WorldError:
            raise
        except Exception as error:
            raise PlayerFault(late[0] if late else f"{type(error).__name__}: {error}".splitlines()[0]) from error
        finally:
            over.set()
            watch.join()

    def _watch(self, seconds: float, over: threading.Event, late: list[str]) -> None:
        """End a wait that lasts too long or that nobody will answer."""
        deadline = time.monotonic() + seconds
        while not over.wait(0.1):
            server = getattr(self._controller, "server", None)
            process = getattr(server, "unity_proc", None)
            if server is None or process is None:
                continue
            if time.monotonic() > deadline:
                if not late:
                    late.append(f"no answer within {seconds:.0f} s")
                process.kill()
            if process.poll() is not None:
                # Whoever waits to open a pipe gets a partner, finds nobody there, and reports it.
                for path, way in ((server.server_pipe_path, os.O_WRONLY), (server.client_pipe_path, os.O_RDONLY)):
                    with contextlib.suppress(OSError):
                        os.close(os.open(path, way | os.O_NONBLOCK))


def _where(executable: str, platform: Platform) -> dict[str, Any]:
    """The arguments of the controller that say which player is started.

    Raises:
        WorldError: what it needs is not there.
    """
    try:
        import ai2thor
    except ImportError as error:
        raise WorldError("the world 'thor' needs ai2thor: pip install 'gsi-bench[thor]'") from error
    if ai2thor.__version__ not in (VERSION, None):
        raise WorldError(
            f"the world 'thor' needs ai2thor {VERSION}, not {ai2thor.__version__}: pip install ai2thor==5.0.0"
        )
    display = os.environ.get("DISPLAY", "")
    if executable:
        path = Path(executable).expanduser().resolve()
        if not os.access(path, os.X_OK) or path.is_dir():
            raise WorldError(
                f"world.executable (or {ThorWorld.variable}): {executable} is no program that can be run; "
                "check the path and chmod +x"
            )
        # Handed on to the player, which need not use it.
        return {"local_executable_path": str(path), "x_display": display or ":0"}
    if platform == "x" or (platform == "auto" and display):
        if not display:
            raise WorldError("world.platform: 'x' needs an X display in DISPLAY; 'cloud' needs none")
        return {"x_display": display}
    if ctypes.util.find_library("vulkan") is None:
        raise WorldError(
            "the world 'thor' without an X display needs Vulkan: apt-get install libvulkan1, or set DISPLAY and "
            "world.platform 'x', or name a player of your own as world.executable"
        )
    return {"platform": "CloudRendering"}


def _named(scene: ThorScene) -> str:
    return scene if isinstance(scene, str) else "of a house dictionary"

"""What is staged for requests that stage nothing themselves? Scenes of the whole sandbox, or of one method."""

from collections.abc import Mapping
from itertools import count

from bursar.agent.sandbox.batch_scene import read_batch_scene
from bursar.agent.sandbox.errors import invalid
from bursar.agent.sandbox.fields import Json
from bursar.agent.sandbox.scene import PREFIX, read_scene

EVERYTHING = "*"
CREATE = "messages.create"
BATCHES = "messages.batches."
METHODS = (CREATE, *(BATCHES + name for name in ("create", "list", "retrieve", "cancel", "delete", "results")))
_ON = "on"
_ERROR = ("error", "error-times", "scene", "retry-after")
_BATCH = ("batch-ms", "batch-outcomes", "batch-seed", "batch-warm")
_WORDS = (*_ERROR, "output-tokens", "latency-ms", "pace-ms", *_BATCH)


class Staging:
    """Scenes by method; a request's own header wins over its method's scene, and that over the one for everything."""

    def __init__(self) -> None:
        self._scenes: dict[str, dict[str, str]] = {}
        self._numbers = count(1)

    def put(self, words: Mapping[str, object]) -> None:
        """
        Stage these words, headers without their prefix, in place of what was staged there; raises a 400 that says why.

        `on` names a method; without it they are for every request. `error-times` counts from here.
        """
        on = str(words.get(_ON, EVERYTHING))
        if on != EVERYTHING and on not in METHODS:
            raise invalid(_ON, f"'{on}' is not one of {EVERYTHING}, {', '.join(METHODS)}")
        scene = {PREFIX + name.removeprefix(PREFIX): str(value) for name, value in words.items() if name != _ON}
        for name in scene:
            if name.removeprefix(PREFIX) not in _WORDS:
                raise invalid(name, f"not known; a scene may say {', '.join(_WORDS)}")
        if PREFIX + "error" in scene:
            scene.setdefault(PREFIX + "scene", f"{on} {next(self._numbers)}")
        read_scene(scene)
        read_batch_scene(scene)
        self._scenes[on] = scene

    def clear(self) -> None:
        """Stage nothing any more."""
        self._scenes.clear()

    def told(self) -> Json:
        """What is staged, by method."""
        return {on: dict(scene) for on, scene in self._scenes.items() if scene}

    def words(self, method: str, headers: Mapping[str, str]) -> dict[str, str]:
        """All that is staged for a request: one that says what goes wrong says all of that itself."""
        own = {name: value for name, value in headers.items() if name.startswith(PREFIX)}
        staged: dict[str, str] = {}
        for scene in (self._scenes.get(EVERYTHING, {}), self._scenes.get(method, {}), own):
            if PREFIX + "error" in scene:
                staged = {name: value for name, value in staged.items() if name.removeprefix(PREFIX) not in _ERROR}
            staged |= scene
        return staged

"""One's own methods, defences, networks and data sets: registered by decorators, loaded from files and packages.

Nothing foreign runs unless it was named: by `--with FILE.py`, by `with:` in an experiment, in $WORKBENCH_WITH (which
carries the files to a notebook's kernel), or by asking for a name that an installed package announces under
`workbench.methods`, `.defences`, `.networks` or `.data`. The hash of its source is part of a run's key.
"""

import dataclasses
import hashlib
import importlib
import importlib.util
import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

from workbench import catalogue
from workbench.catalogue import DATA, DEFENCES, METHODS, NETWORKS
from workbench.config import ConfigError, NoiseConfig, WorkbenchError, check_choice

Own = TypeVar("Own")
TABLES: dict[str, dict[str, Any]] = {"method": METHODS, "defence": DEFENCES, "network": NETWORKS, "data": DATA}
GROUPS = {"method": "workbench.methods", "defence": "workbench.defences", "network": "workbench.networks",
          "data": "workbench.data"}  # fmt: skip
VARIABLE = "WORKBENCH_WITH"
LOOKS = (("#3D00FF", "o"), ("#3D00FF", "o"))  # of one's own methods in figures: to be seen beside all others
NAME = re.compile("[a-z][a-z0-9-]{0,39}")
TAKEN = ("clean", "none")  # in the tidy table they say that there is no noise, no surrogate, no defence
_own: dict[tuple[str, str], Any] = {}
_sources: dict[tuple[str, str], str] = {}  # of the same, as they were when they were registered: that is what runs
_loaded: dict[Path, str] = {}  # files that were run, and the hash of what they held then


def method(name: str, *, words: str, options: type | None = None, **facts: Any) -> Callable[[Own], Own]:
    """Register `search(task, options) -> Tensor` as a method; options: its dataclass (None: it has none).

    facts: other fields of catalogue.Method.
    """
    if options is not None:
        if not dataclasses.is_dataclass(options):
            raise ConfigError(f"method {name}: its options must be a dataclass, not {options!r}")
        both = {one.name for one in dataclasses.fields(options)} & {one.name for one in dataclasses.fields(NoiseConfig)}
        if both:
            raise ConfigError(f"method {name}: every search has an option {min(both)} already: call yours otherwise")
    usual = {"module": "", "source": "own", "looks": LOOKS, "cost": "unknown", "spaces": catalogue.ANY}
    entry = catalogue.Method(**{**usual, "words": words, **facts})

    def registered(search: Own) -> Own:
        search.Options = options  # type: ignore[attr-defined]
        return _register("method", name, entry, search)

    return registered


def defence(name: str, *, words: str, **facts: Any) -> Callable[[Own], Own]:
    """Register a class with any of the four hooks of victim/defence.Defence. facts: fields of catalogue.Defence."""
    entry = catalogue.Defence(**{"module": "", "source": "own", "spaces": catalogue.ANY, "words": words, **facts})
    return lambda made: _register("defence", name, entry, made)


def network(name: str, *, words: str = "own network", **facts: Any) -> Callable[[Own], Own]:
    """Register a function (channels, side, classes) -> nn.Module; the network gets inputs in 0..1."""
    entry = catalogue.Network(**{"module": "", "spaces": catalogue.ANY, "words": words, **facts})
    return lambda made: _register("network", name, entry, made)


def data_set(name: str, *, words: str, recipe: str = "folder", **facts: Any) -> Callable[[Own], Own]:
    """Register a function (what stands behind the colon, seed) -> DataPair. facts: fields of catalogue.Data."""
    entry = catalogue.Data(**{"module": "", "form": name, "recipe": recipe, "words": words, **facts})
    return lambda made: _register("data", name, entry, made)


def named(kind: str, given: Any) -> str:
    """The name of a network or the like that was given as a name or as a function, which is registered by its own."""
    if isinstance(given, str):
        return given
    if not callable(given):
        raise ConfigError(f"{kind} {given!r}: give a name or a function")
    name = re.sub("[^a-z0-9]+", "-", getattr(given, "__name__", type(given).__name__).lower()).strip("-") or "own"
    if _own.get((kind, name)) is not given:
        {"network": network(name), "method": method(name, words=name)}[kind](given)
    return name


def _register(kind: str, name: str, entry: Any, made: Any) -> Any:
    if not NAME.fullmatch(name) or name in TAKEN:
        raise ConfigError(f"{kind} {name!r}: a name is lower-case letters, digits and hyphens, and none of {TAKEN}")
    before = _own.get((kind, name))
    if before is None and name in TABLES[kind]:
        raise ConfigError(f"{kind} {name}: the workbench has one of this name: call yours otherwise")
    if before is not None and _file(before) != _file(made):
        raise ConfigError(f"{kind} {name} is registered twice, in {_file(before)} and {_file(made)}: rename one")
    TABLES[kind][name] = entry
    _own[kind, name], _sources[kind, name] = made, source(made)
    return made


def look_up(kind: str, name: str) -> Any:
    """The object behind a name, loaded when need be. Raises ConfigError, with the nearest, for an unknown one."""
    check(kind, name)
    if (kind, name) in _own:
        return _own[kind, name]
    module, _, attribute = TABLES[kind][name].module.partition(":")
    loaded = importlib.import_module(module)
    return getattr(loaded, attribute) if attribute else loaded


def check(kind: str, name: str) -> None:
    """Raise ConfigError unless `name` is in the catalogue, once the files and packages that are named have run."""
    if name not in TABLES[kind]:
        load(named_files())
        for found in metadata.entry_points(group=GROUPS[kind]):
            if found.name == name and name not in TABLES[kind]:
                with foreign(f"the package {getattr(found.dist, 'name', found.value)}"):
                    found.load()
    check_choice(kind, name, TABLES[kind])


def load(files: Iterable[str | Path]) -> None:
    """Run Python files, each once for each content, so that what they register is there.

    They are also named in $WORKBENCH_WITH, for the kernels and processes that this one starts. Raises ConfigError.
    """
    for given in files:
        path = Path(given).absolute()
        if path.suffix != ".py" or not path.is_file():
            raise ConfigError(f"--with {given}: there is no such Python file (.py)")
        content = path.read_bytes()
        digest = _digest(content)
        if _loaded.get(path) == digest:
            continue
        name = f"workbench_with_{path.stem}_{digest}"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        module.__dict__["__cached__"] = None
        sys.modules[name] = module  # dataclasses look their module up
        with foreign(f"--with {given}"):
            _execute(content, module, path)
        _loaded[path] = digest
    os.environ[VARIABLE] = os.pathsep.join(dict.fromkeys(map(str, [*_loaded, *named_files()])))


def named_files() -> list[Path]:
    """The files that $WORKBENCH_WITH names."""
    return [Path(name).absolute() for name in os.environ.get(VARIABLE, "").split(os.pathsep) if name]


def _execute(content: bytes, module: Any, path: Path) -> None:
    exec(compile(content, str(path), "exec"), module.__dict__)  # noqa: S102 (named by the user, who asks for it)


@contextmanager
def foreign(what: str) -> Iterator[None]:
    """Make one line of whatever foreign code raises in the block; ConfigError that names the place in that code."""
    try:
        yield
    except WorkbenchError as error:
        raise ConfigError(f"{what}: {error}") from error
    except (Exception, SystemExit) as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        line = getattr(error, "lineno", None) or last.lineno
        text = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"{what} failed at line {line} of {Path(last.filename).name} ({type(error).__name__}: {text})"
        ) from error


def sources(**names: str) -> dict[str, str]:
    """The hashes of the sources of those names ("method" or the like: name, several by +) that are one's own."""
    parts = [(kind, part) for kind, name in names.items() for part in name.split("+")]
    return {f"{kind} {name}": _sources[kind, name] for kind, name in parts if (kind, name) in _own}


def check_shared(**names: str) -> None:
    """Raise ConfigError for a name that is one's own but stands in no named file: other processes cannot know it."""
    parts = [(kind, part) for kind, name in names.items() for part in name.split("+")]
    for kind, name in parts:
        if (kind, name) in _own and _file(_own[kind, name]).absolute() not in _loaded:
            advice = f"put it into a file and name that in ${VARIABLE} (or by --with)"
            raise ConfigError(
                f"{kind} {name}: learners train in processes of their own, which do not know it: {advice}"
            )


def of_files() -> dict[str, str]:
    """The hashes of all files that were named for this process: what a notebook's run may depend on."""
    return {path.name: _digest(path.read_bytes()) for path in named_files() if path.is_file()}


def source(made: Any) -> str:
    """A hash of the file that something was written in, or of its own code where there is no file, with what a
    function brings along beside its code: defaults and the plain values that it encloses.
    """
    file = _file(made)
    if file.is_file():
        code = file.read_bytes()
    else:
        try:
            code = inspect.getsource(made).encode()
        except (OSError, TypeError):
            code = getattr(getattr(made, "__code__", None), "co_code", repr(made).encode())
    cells = [cell.cell_contents for cell in getattr(made, "__closure__", None) or ()]
    beside = [getattr(made, "__defaults__", None), *cells, getattr(made, "__qualname__", "")]
    plain = [repr(one) for one in beside if isinstance(one, str | int | float | tuple)]
    return _digest(code + "\n".join(plain).encode())


def _file(made: Any) -> Path:
    try:
        return Path(inspect.getsourcefile(made) or "")
    except TypeError:
        return Path()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]

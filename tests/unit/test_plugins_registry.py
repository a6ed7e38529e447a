"""Finding and loading plugins: nothing that is not named and trusted is ever imported, and it is always said why."""

import sys
from pathlib import Path

import pytest

from pipeline.api import Sink, Transform
from pipeline.plugins.discovery import MAX_ENTRY_POINTS_BYTES, Kind, Plugin, discover
from pipeline.plugins.registry import PluginError, Registry, TrustNothing

BOMB = "raise SystemExit('imported')\n"


class TrustAll:
    """Everything may be imported."""

    def refusal(self, plugin: Plugin) -> str:  # noqa: ARG002
        """Nothing is refused."""
        return ""


def install(site: Path, distribution: str, entries: str, version: str = "1.0", **modules: str) -> None:
    """What pip would leave behind of a wheel: metadata and modules."""
    folder = site / f"{distribution}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "entry_points.txt").write_text(entries)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
    for name, code in modules.items():
        (site / f"{name}.py").write_text(code)


def sink_module(api_version: object = 1, body: str = "async def write(self, batch): pass") -> str:
    """A module with a sink."""
    return f"""
from pipeline.api import Sink
class S(Sink):
    api_version = {api_version!r}
    def __init__(self, config, context): pass
    {body}
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages on the import path, whose modules are forgotten afterwards."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def registry(trusting: TrustAll | TrustNothing) -> Registry:
    """The registry of what is really installed, the folder of the test included."""
    return Registry(discover(), trusting)


def complaint(known: Registry, name: str, kind: Kind = Kind.SINK) -> str:
    """Why this cannot be loaded."""
    with pytest.raises(PluginError) as caught:
        known.load(kind, name)
    return str(caught.value)


def test_built_ins_are_found_through_their_entry_points_like_all_others() -> None:
    """And may always be imported."""
    known = registry(TrustNothing())
    loaded = known.load(Kind.SINK, "stdout")
    assert loaded.plugin.distribution == "httpipe"
    assert issubclass(loaded.component, Sink)
    assert known.load(Kind.SINK, "httpipe:stdout") == loaded


def test_reading_metadata_imports_nothing(site: Path) -> None:
    """A plugin that would end the process is found, named and refused, and the process lives."""
    install(site, "bomb", "[httpipe.sinks]\nbomb = bomb:S\n[httpipe.sources]\nbomb_source = bomb:S\n", bomb=BOMB)
    known = registry(TrustNothing())
    assert "bomb" in [plugin.name for plugin in known.plugins(Kind.SINK)]
    assert "bomb is not trusted" in complaint(known, "bomb")
    assert "bomb" not in sys.modules


def test_a_trusted_plugin_is_imported_when_it_is_named(site: Path) -> None:
    """And none of its neighbours is."""
    install(site, "good", "[httpipe.sinks]\ngood = good_sink:S\n", good_sink=sink_module())
    install(site, "bomb", "[httpipe.sinks]\nbomb = bomb:S\n", bomb=BOMB)
    loaded = registry(TrustAll()).load(Kind.SINK, "good")
    assert (loaded.plugin.distribution, loaded.plugin.version) == ("good", "1.0")
    assert "bomb" not in sys.modules


def test_a_plugin_whose_import_hangs_is_broken(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named, and whoever loads goes on, however often."""
    monkeypatch.setattr("pipeline.plugins.registry.IMPORT_SECS", 0.05)
    install(site, "hung", "[httpipe.sinks]\nhung = hung_sink:S\n", hung_sink="import threading\nthreading.Event().wait()\n")
    known = registry(TrustAll())
    for _ in range(2):
        said = complaint(known, "hung")
        assert said.startswith('"hung" of hung 1.0 cannot be imported: the import of hung_sink:S has not come back after 0.05 s;')


def test_a_name_like_a_known_one_is_suggested(site: Path) -> None:
    """With all there are, trusted or not."""
    install(site, "good", "[httpipe.sinks]\nslack = x:S\n")
    assert complaint(registry(TrustNothing()), "slak").startswith('"slak" is not a known sink; did you mean "slack"? (known: ')


def test_two_trusted_plugins_of_one_name_are_told_with_a_way_to_choose(site: Path) -> None:
    """``type = "distribution:name"``."""
    install(site, "one_slack", "[httpipe.sinks]\nslack = one:S\n", one=sink_module())
    install(site, "two.slack", "[httpipe.sinks]\nslack = two:S\n", two=sink_module())
    known = registry(TrustAll())
    said = complaint(known, "slack")
    assert "both" in said
    assert 'type = "one-slack:slack"' in said
    assert 'type = "two-slack:slack"' in said
    assert known.load(Kind.SINK, "two-slack:slack").component.__module__ == "two"
    assert known.load(Kind.SINK, "One.Slack:slack").component.__module__ == "one"
    types = [known.type_of(plugin) for plugin in known.plugins(Kind.SINK) if plugin.name in ("slack", "stdout")]
    assert types == ["stdout", "one-slack:slack", "two-slack:slack"]


def test_an_untrusted_distribution_cannot_take_a_built_ins_name(site: Path) -> None:
    """The built-in is used, and the attempt is named."""
    install(site, "evil", "[httpipe.sinks]\nstdout = evil:S\n", evil=BOMB)
    known = registry(TrustNothing())
    assert known.load(Kind.SINK, "stdout").plugin.distribution == "httpipe"
    assert known.shadowed() == ('evil 1.0 declares a sink "stdout", the name of a built-in one',)
    assert "evil" not in sys.modules


def test_calling_itself_httpipe_does_not_make_a_distribution_built_in(site: Path) -> None:
    """Only our own package's code is; the second copy of a distribution does not count at all."""
    install(site, "httpipe", "[httpipe.sinks]\nevil = evil_code:S\n", version="99", evil_code=BOMB)
    [evil] = [plugin for plugin in discover([str(site)]).plugins if plugin.name == "evil"]
    assert not evil.builtin
    known = Registry(discover([str(site)]), TrustNothing())
    assert "not trusted" in complaint(known, "evil")


@pytest.mark.parametrize(
    ("entries", "warning"),
    [
        ("[httpipe.sinks]\nx = os.system('x')\n", 'line 2 of its entry_points.txt is not "name = module:attribute"'),
        ("[httpipe.sinks]\n../x = a:b\n", 'line 2 of its entry_points.txt is not "name = module:attribute"'),
        ("[httpipe.sinks]\n" + "#" * MAX_ENTRY_POINTS_BYTES, "its entry_points.txt is larger than 64 KiB"),
    ],
)
def test_malformed_metadata_is_named_and_ignored(site: Path, entries: str, warning: str) -> None:
    """And hurts nobody else."""
    install(site, "broken", entries)
    install(site, "good", "[httpipe.sinks]\ngood = g:S\n")
    found = discover([str(site)])
    assert found.warnings == (f"the plugins of broken 1.0 are ignored: {warning}",)
    assert [plugin.name for plugin in found.plugins] == ["good"]


def test_metadata_of_megabytes_costs_nothing(site: Path) -> None:
    """Name and version stand in the folder's name; the long metadata is never opened."""
    install(site, "good", "[console_scripts]\na = b:c\n[httpipe.sinks]\n; comment\n\ngood = g:S\n")
    (site / "good-1.0.dist-info" / "METADATA").unlink()
    (site / "good-1.0.dist-info" / "METADATA").mkdir()
    (site / "not-utf8-1.dist-info").mkdir()
    (site / "not-utf8-1.dist-info" / "entry_points.txt").write_bytes(b"[httpipe.sinks]\n\xff = a:b")
    found = discover([str(site)])
    assert [(plugin.distribution, plugin.version) for plugin in found.plugins] == [("good", "1.0")]
    assert len(found.warnings) == 1


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (sink_module(api_version=2), "is written for plugin API 2, this httpipe supports 1; install a newer httpipe"),
        (
            sink_module(api_version=0),
            "is written for plugin API 0, this httpipe supports 1; install a newer version of the plugin",
        ),
        (
            sink_module(api_version="1"),
            "states api_version = '1', which is not an integer; write api_version = 1 in the class",
        ),
        (
            sink_module().replace("api_version = 1", "pass"),
            "does not state the plugin API it is written for; write api_version = 1",
        ),
        (
            "from pipeline.api import SinkDefaults\n"
            + sink_module(body="defaults = SinkDefaults(batch_max_events=0)\n    async def write(self, batch): pass"),
            "declares wrong defaults: batch.max_events: 0 is not at least 1",
        ),
        (
            sink_module(body='defaults = {"batch_max_events": 3}\n    async def write(self, batch): pass'),
            "declares defaults = {'batch_max_events': 3}; write defaults = SinkDefaults(…)",
        ),
        (sink_module(body="x = 1"), "lacks write()"),
        ("S = 3", "is not a sink: p_code:S is not a subclass of httpipe.Sink"),
        ("from pipeline.api import Transform as S", "is not a sink"),
        ("import no_such_module_at_all", "ModuleNotFoundError: No module named 'no_such_module_at_all'; install what is missing"),
        ("import sys; sys.exit(3)", "cannot be imported: SystemExit: 3"),
        (sink_module(body="Config = 3\n    async def write(self, batch): pass"), "has a Config that is not a pydantic model"),
        (
            "import pydantic\n"
            "class C(pydantic.BaseModel, arbitrary_types_allowed=True):\n    x: type(lambda: 0)\n"
            + sink_module(body="Config = C\n    async def write(self, batch): pass"),
            "has a Config without a JSON Schema: PydanticInvalidForJsonSchema",
        ),
        ("1/0", "cannot be imported: ZeroDivisionError: division by zero"),
        ("", "cannot be imported: AttributeError"),
        ("from httpipe import sink\n@sink('q', api_version=1)\nasync def S(batch): pass", 'calls itself "q" in its code'),
        (
            "from httpipe import sink\n@sink('p', api_version=1)\ndef S(batch): pass",
            "cannot be imported: TypeError: a sink's function waits for the other end: write `async def S`",
        ),
        (
            "from httpipe import transform\n@transform('p', api_version=1)\nasync def S(event): pass",
            "cannot be imported: TypeError: a transform's function does no I/O: write `def S`, without `async`",
        ),
    ],
)
def test_a_plugin_that_is_wrong_is_reported_as_a_problem_of_that_plugin(site: Path, code: str, said: str) -> None:
    """Whatever its import does."""
    install(site, "p_dist", "[httpipe.sinks]\np = p_code:S\n", p_code=code)
    complained = complaint(registry(TrustAll()), "p")
    assert said in complained
    assert '"p" of p-dist 1.0' in complained


def test_a_decorated_function_is_a_component_like_any_other(site: Path) -> None:
    """With its name, its docstring and its module."""
    function = 'def t(exchange):\n    """Does it."""\n    return exchange\n'
    code = f'from httpipe import transform\n@transform("t", api_version=1)\n{function}'
    install(site, "deco", "[httpipe.transforms]\nt = deco_code:t\n", deco_code=code)
    component = registry(TrustAll()).load(Kind.TRANSFORM, "t").component
    assert issubclass(component, Transform)
    assert (component.__doc__, component.__module__) == ("Does it.", "deco_code")

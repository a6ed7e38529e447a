"""The plugins of examples/plugins as others get them: wheels in a clean environment, trusted, in one pipeline, for real."""

import importlib.util
import json
import re
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from plugin_environment import PLUGINS, ROOT, PluginEnvironment

from pipeline.cli.exit_codes import ExitCode

pytestmark = [pytest.mark.wheel, pytest.mark.slow]

POSTGRES_MISSING = "there is no PostgreSQL server here: apt-get install postgresql"
POSTGRES = ROOT / "examples" / "plugins" / "httpipe-postgres"
WEBHOOK = ROOT / "examples" / "plugins" / "httpipe-webhook"


def helper(plugin: Path, name: str) -> ModuleType:
    """A module beside the tests of a plugin."""
    spec = importlib.util.spec_from_file_location(name, plugin / "tests" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


postgres_server: Any = helper(POSTGRES, "postgres_server")
receiver: Any = helper(WEBHOOK, "receiver")
needs_postgres = [
    pytest.mark.postgres,
    pytest.mark.skipif(postgres_server.programs() is None, reason=POSTGRES_MISSING),
]

PIPELINE = """
[sources.capture]
type = "pcap"
path = "{pcap}"

[transforms.named]
type = "user_agent"
inputs = ["capture"]

[sinks.db]
type = "postgres"
inputs = ["named"]
dsn = "${{DSN}}"

[sinks.hook]
type = "webhook"
inputs = ["named"]
url = "{url}"
secret = "${{WEBHOOK_SECRET}}"
batch.max_events = 10

[sinks.expected]
type = "file"
inputs = ["capture"]
path = "expected.jsonl"
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> PluginEnvironment:
    """One for all."""
    return PluginEnvironment(tmp_path_factory.mktemp("plugins"))


@pytest.fixture
def trusting(environment: PluginEnvironment, tmp_path: Path) -> Path:
    """A folder whose plugins.toml trusts all of them."""
    (tmp_path / "plugins.toml").touch()  # else the list of this host would be changed
    for plugin in PLUGINS:
        wrote = environment.run("httpipe", "plugins", "trust", plugin.name, cwd=tmp_path)
        assert wrote.stdout.startswith("Wrote plugins.toml: trusts"), wrote.stderr
    return tmp_path


def test_there_are_three_and_httpipe_is_a_wheel_too(environment: PluginEnvironment, tmp_path: Path) -> None:
    """Nothing comes from the checkout, and nobody has been imported who is not trusted."""
    where = environment.run(
        "python", "-c", "import pipeline, httpipe_webhook as w; print(pipeline.__file__, w.__file__)", cwd=tmp_path
    )
    assert where.stdout.count(str(environment.programs.parent)) == 2, where.stdout + where.stderr
    (tmp_path / "plugins.toml").touch()  # else the list of this host would count
    listed = environment.run("httpipe", "plugins", "list", cwd=tmp_path)
    assert len(PLUGINS) == 3
    for plugin in PLUGINS:
        assert re.search(rf"{plugin.name}.*not trusted", listed.stdout), listed.stdout


@pytest.mark.parametrize(
    "plugin", [pytest.param(each, id=each.name, marks=needs_postgres * (each == POSTGRES)) for each in PLUGINS]
)
def test_its_own_tests_pass(environment: PluginEnvironment, plugin: Path, tmp_path: Path) -> None:
    """Against the installed wheel: the sources are not there."""
    shutil.copytree(plugin / "tests", tmp_path / "tests")
    shutil.copy(plugin / "pyproject.toml", tmp_path)
    options = ("-q", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'tmp'}")
    tested = environment.run("python", "-m", "pytest", *options, cwd=tmp_path)
    assert tested.returncode == 0, tested.stdout
    assert " passed" in tested.stdout
    assert "skipped" not in tested.stdout


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda path: path.name)
def test_the_pipeline_of_its_readme_is_valid(environment: PluginEnvironment, plugin: Path, trusting: Path) -> None:
    """And its options are documented as those of built-ins are."""
    page = (plugin / "README.md").read_text()
    [pipeline] = re.findall(r"^```toml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (trusting / "pipeline.toml").write_text(pipeline)
    checked = environment.run("httpipe", "validate", cwd=trusting, WEBHOOK_SECRET=receiver.SECRET)
    assert checked.returncode == ExitCode.OK, checked.stderr
    [command] = re.findall(r"^httpipe (list \w+)$", page, re.MULTILINE)
    listed = environment.run("httpipe", *command.split(), cwd=trusting)
    assert listed.returncode == ExitCode.OK, listed.stderr
    assert plugin.name in listed.stdout
    verified = environment.run("httpipe", "plugins", "verify", cwd=trusting)
    assert verified.returncode == ExitCode.OK, verified.stdout


def test_a_wrong_secret_is_told_and_not_shown(environment: PluginEnvironment, trusting: Path) -> None:
    """The place and what is right, without the value."""
    (trusting / "pipeline.toml").write_text(PIPELINE.format(pcap="x.pcap", url="http://localhost/"))
    environ = {"DSN": "", "WEBHOOK_SECRET": "hush-hush"}
    told = environment.run("httpipe", "validate", cwd=trusting, **environ)
    assert told.returncode == ExitCode.BAD_CONFIG
    assert "sinks.hook.secret" in told.stderr
    assert "hush" not in told.stderr + told.stdout


class TestTogether:
    """All three in one pipeline."""

    pytestmark = needs_postgres

    def test_every_exchange_arrives_everywhere(self, environment: PluginEnvironment, trusting: Path) -> None:
        """In PostgreSQL and at the webhook, though that says 429 first; with the names that the transform added."""
        with receiver.Receiver() as hook, postgres_server.PostgresServer() as database:
            hook.answer(429, retry_after="1")
            (trusting / "pipeline.toml").write_text(PIPELINE.format(pcap=ROOT / "examples" / "demo.pcap", url=hook.url()))
            environ = {"DSN": database.dsn, "WEBHOOK_SECRET": receiver.SECRET}
            checked = environment.run("httpipe", "validate", cwd=trusting, **environ)
            assert checked.returncode == ExitCode.OK, checked.stderr
            done = environment.run("httpipe", "run", cwd=trusting, **environ)
            assert done.returncode == ExitCode.OK, done.stderr
            expected = [json.loads(line) for line in (trusting / "expected.jsonl").read_text().splitlines()]
            rows = self.rows(database.dsn)
        assert len(expected) > 20
        assert f"{len(expected)} exchanges seen" in done.stderr
        assert hook.ids["/"][0] == hook.ids["/"][1], "the batch that was told to wait came again"
        assert [without_names(event) for event in hook.events["/"]] == expected
        names = ("httpipe.connection", "httpipe.sequence", "url.path", "http.response.status_code", "user_agent.original")
        assert [row[: len(names)] for row in rows] == [tuple(event.get(name) for name in names) for event in expected]
        assert [row[-1] for row in rows] == [event.get("user_agent.name") for event in hook.events["/"]]
        assert any(row[-1] for row in rows)

    def rows(self, dsn: str) -> list[tuple[Any, ...]]:
        """What the table has, in the order in which it came."""
        import psycopg  # noqa: PLC0415  where there is no server there may be no library

        with psycopg.connect(dsn) as connection:
            return connection.execute(
                "SELECT httpipe_connection, httpipe_sequence, url_path, http_response_status_code, user_agent_original, "
                "user_agent_name FROM http_exchanges ORDER BY ctid"
            ).fetchall()


def without_names(event: dict[str, Any]) -> dict[str, Any]:
    """The event as it was before the transform."""
    added = re.compile(r"user_agent\.(?!original)")
    return {name: value for name, value in event.items() if not added.match(name)}

"""What the sink `s3` makes of options, keys and files of profiles, without a store."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.api import BatchError, ConfigError, Context, Exchange, NotConnected, Reject
from pipeline.sinks.s3.bucket import Bucket, BucketOptions
from pipeline.sinks.s3.credentials import Keys, from_file
from pipeline.sinks.s3.sink import S3Config, S3Sink
from tests.web_receiver import Receiver


@pytest.fixture
def anyio_backend() -> str:
    """httpipe runs on asyncio."""
    return "asyncio"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"bucket": "a/b"}, "bucket"),
        ({"prefix": "/http"}, "must not begin with a slash"),
        ({"prefix": "a//b"}, "two in a row"),
        ({"prefix": "a/../b"}, "as a folder"),
        ({"prefix": "a/%q"}, "unknown time token %q"),
        ({"prefix": "x" * 1000}, "too long"),
        ({"format": "parquet", "encoding": {"codec": "ecs"}}, r'encoding\n.*has no effect without format = "lines"; set that'),
        ({"kinds": ["nosuch"]}, 'unknown kind of event "nosuch"'),
        ({"columns": {"a": "uuid"}}, "columns"),
        ({"access_key_id": "hidden"}, "belong together"),
        ({"session_token": "hidden"}, "without access_key_id"),
        ({"access_key_id": "hidden", "secret_access_key": "hidden", "profile": "p"}, "exclude each other"),
        ({"endpoint": "s3.example"}, "endpoint"),
        ({"endpoint": "https://me:hidden@s3.example"}, "has credentials; they have options of their own"),
        ({"access_key_id": "hidden\n", "secret_access_key": "hidden"}, "access_key_id has a space, a line end"),
        ({"access_key_id": "hidden", "secret_access_key": ""}, "secret_access_key is empty"),
        ({"access_key_id": "hidden", "secret_access_key": "hidden", "session_token": "hid\n"}, "session_token has a space"),
    ],
)
def test_mistakes_are_found_before_anything_runs(options: dict[str, Any], problem: str) -> None:
    """`httpipe validate` tells them, without what is secret."""
    with pytest.raises(ValidationError, match=problem) as raised:
        S3Config.model_validate({"bucket": "events", **options})
    assert "hidden" not in str(raised.value)


@pytest.mark.parametrize(("prefix", "problem"), [("{{server.address}}/x", "start with literal text"), ("a/{{nosuch}}", "nosuch")])
def test_wrong_templates_are_found_too(prefix: str, problem: str) -> None:
    """Traffic must not choose the first folder."""
    with pytest.raises(ConfigError, match=problem):
        S3Sink(S3Config(bucket="events", prefix=prefix), Context("objects"))


@pytest.mark.anyio
async def test_a_key_that_no_store_takes_is_rejected() -> None:
    """Traffic can make it too long; other events do not wait for it."""
    prefix = "http/" + "/".join(["{{url.path}}"] * 11)
    config = {
        "bucket": "events",
        "prefix": prefix,
        "endpoint": "http://127.0.0.1:1",
        "access_key_id": "a",
        "secret_access_key": "b",
    }
    sink = S3Sink(S3Config.model_validate(config), Context("objects"))
    await sink.open()
    with pytest.raises(BatchError) as raised:
        await sink.write([Exchange(timestamp_ns=0, url_path="x" * 100), Exchange(timestamp_ns=0, url_path="y")])
    assert [type(each) for each in raised.value.failures.values()] == [Reject, NotConnected]
    assert "the key is too long" in str(raised.value.failures[0])


SENDING = (
    "Generic S3 error: Error performing PUT http://h/b/k in 1ms - HTTP error: error sending request\n\nDebug source:\nGeneric "
)


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ('Os {\n code: 111,\n kind: ConnectionRefused,\n message: "Connection refused",\n }', "Connection refused"),
        ("InvalidCertificate(\n UnknownIssuer,\n)", "certificate refused: UnknownIssuer"),
        ("InvalidCertificate(\n Other(\n OtherError(\n CaUsedAsEndEntity,", "certificate refused: CaUsedAsEndEntity"),
        (
            '"dns error",\n Custom {\n kind: Uncategorized,\n error: "Name or service not known",',
            "name not found: Name or service",
        ),
        ("hyper::Error(\n IncompleteMessage,\n)", "connection lost: IncompleteMessage"),
        ("nothing that is known", "HTTP error: error sending request"),
    ],
)
def test_the_reason_is_found_in_what_the_library_says(told: str, sentence: str) -> None:
    """And the debugging text around it is left out."""
    failure = Bucket(BucketOptions(bucket="events"))._failure(ValueError(SENDING + told))
    assert isinstance(failure, NotConnected)
    assert sentence in str(failure)
    assert "Debug" not in str(failure)


FILE = """[default]
aws_access_key_id = A
aws_secret_access_key = S
[lent]
aws_access_key_id = B
aws_secret_access_key = T
aws_session_token = U
[role]
role_arn = arn:aws:iam::1:role/x
"""


def test_profiles_are_read_as_the_tools_do(tmp_path: Path) -> None:
    """What is named must be there; without a name it is only looked for, and the environment goes first."""
    file = tmp_path / "credentials"
    file.write_text(FILE)
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(FILE)
    assert from_file(str(file), None, {}) == Keys("A", "S")
    assert from_file(str(file), "lent", {"AWS_ACCESS_KEY_ID": "other"}) == Keys("B", "T", "U")
    assert from_file(None, None, {"HOME": str(tmp_path), "AWS_PROFILE": "lent"}) == Keys("B", "T", "U")
    assert from_file(None, None, {"HOME": str(tmp_path), "AWS_ACCESS_KEY_ID": "other"}) is None
    assert from_file(None, None, {"HOME": str(tmp_path / "none")}) is None
    with pytest.raises(NotConnected, match="profile role has no aws_access_key_id"):
        from_file(str(file), "role", {})
    with pytest.raises(NotConnected, match="no profile nosuch"):
        from_file(None, "nosuch", {"HOME": str(tmp_path)})
    with pytest.raises(NotConnected, match=r"cannot read .*: No such file"):
        from_file(str(tmp_path / "none"), None, {})
    file.write_text("no file of profiles")
    with pytest.raises(NotConnected, match="is no file of credentials"):
        from_file(str(file), None, {})


@pytest.mark.parametrize("name", ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"])
def test_a_key_of_a_file_that_cannot_be_one_is_refused_without_showing_it(tmp_path: Path, name: str) -> None:
    """The library panics over a line end, which is how a line that is indented goes on."""
    file = tmp_path / "credentials"
    keys = {"aws_access_key_id": "A", "aws_secret_access_key": "S", name: "hidden\n more"}
    file.write_text("[default]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items()))
    with pytest.raises(NotConnected, match=f"profile default: {name} has a space, a line end") as raised:
        from_file(str(file), None, {})
    assert "hidden" not in str(raised.value)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"]
)
async def test_the_environment_is_looked_at_before_the_library_panics(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`export AWS_SESSION_TOKEN="$(cat file)"` is well, a Secret of Kubernetes may end in a line end."""
    for variable, value in {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", name: "hidden\n"}.items():
        monkeypatch.setenv(variable, value)
    sink = S3Sink(S3Config(bucket="events", endpoint="http://127.0.0.1:1"), Context("objects"))
    with pytest.raises(NotConnected, match=f"^{name} of the environment has a space, a line end") as raised:
        await sink.open()
    assert "hidden" not in str(raised.value)


@pytest.mark.anyio
async def test_what_a_proxy_finds_too_large_is_halved(tmp_path: Path) -> None:
    """Until it fits; an event that alone is too large is rejected, and no other."""
    events = [Exchange(timestamp_ns=0, httpipe_sequence=number) for number in range(4)]
    stored = (200, {"ETag": '"x"'}, "")
    with Receiver(tmp_path) as proxy:
        proxy.answer((413, {}, ""), (413, {}, ""), (413, {}, "too large"), stored, stored)
        config = {
            "bucket": "events",
            "endpoint": proxy.base,
            "access_key_id": "a",
            "secret_access_key": "b",
            "compression": "none",
        }
        sink = S3Sink(S3Config.model_validate(config), Context("objects"))
        await sink.open()
        with pytest.raises(BatchError) as raised:
            await sink.write(events)
        taken = proxy.taken()
    assert {place: type(error) for place, error in raised.value.failures.items()} == {0: Reject}
    assert str(raised.value.failures[0]) == f"bucket events at {proxy.base} answered 413: too large"
    assert [event["httpipe.sequence"] for event in taken] == [1, 2, 3]

"""TLS and logins on a real broker; what is said when they fail; and that no secret is ever shown."""

import base64
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from kafka_cluster import PASSWORD, USER, Cluster
from kafka_events import numbered
from kafka_reader import Topics

from pipeline.api import CaptureError, Context, NotConnected
from pipeline.sinks.kafka.sink import KafkaSink, KafkaSinkConfig
from pipeline.sources.kafka.source import KafkaSource, KafkaSourceConfig

pytestmark = pytest.mark.anyio


def unsigned_token(name: str = USER) -> str:
    """A token as Kafka's validator for tests takes it: not signed (RFC 7515, ``alg: none``)."""
    parts = {"alg": "none", "typ": "JWT"}, {"sub": name, "iat": 1_700_000_000, "exp": 4_000_000_000}
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + "."


LOGINS = [
    {"mechanism": "PLAIN", "username": USER, "password": PASSWORD},
    {"mechanism": "SCRAM-SHA-256", "username": USER, "password": PASSWORD},
    {"mechanism": "SCRAM-SHA-512", "username": USER, "password": PASSWORD},
    {"mechanism": "OAUTHBEARER", "token": unsigned_token()},
]


def make(cluster: Cluster, topic: str, *, over_tls: bool, **options: Any) -> KafkaSink:
    """A sink that talks to one of the listeners with SASL."""
    assert cluster.certificate is not None
    broker = cluster.broker(1)
    port = broker.tls_port if over_tls else broker.sasl_port
    settings: dict[str, Any] = {"bootstrap_servers": f"127.0.0.1:{port}", "topic": topic}
    if over_tls:
        settings["tls"] = {"enabled": True, "ca_file": str(cluster.certificate)}
    return KafkaSink(KafkaSinkConfig.model_validate(settings | options), Context("bus"))


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("login", LOGINS, ids=lambda login: login["mechanism"])
async def test_each_login_delivers(cluster: Cluster, topics: Topics, login: dict[str, Any], tls: bool) -> None:  # noqa: FBT001
    """Events arrive over each mechanism, with and without TLS."""
    topic = await topics.make(1)
    out = make(cluster, topic, over_tls=tls, sasl={"enabled": True, **login})
    await out.open()
    await out.healthcheck()
    await out.write(numbered(10))
    await out.aclose()
    assert len(await topics.read(topic)) == 10


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
async def test_a_failed_login_is_named_and_shows_no_secret(
    cluster: Cluster, topics: Topics, mechanism: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The error names user, broker and mechanism; the wrong password is in no error, log or repr."""
    caplog.set_level(logging.DEBUG)
    secret = "wrong-password-5512"  # noqa: S105  made up, and wrong
    options = {"enabled": True, "mechanism": mechanism, "username": USER, "password": secret}
    topic = await topics.make(1)
    out = make(cluster, topic, over_tls=False, sasl=options)
    with pytest.raises(NotConnected, match=f'login of user "{USER}" refused by broker 127.*{mechanism}') as raised:
        await out.open()
    await out.aclose()
    servers = f"127.0.0.1:{cluster.broker(1).sasl_port}"
    reader = KafkaSource(
        KafkaSourceConfig.model_validate({"bootstrap_servers": servers, "topics": [topic], "group_id": "g", "sasl": options}),
        Context("bus"),
    )
    with pytest.raises(CaptureError, match=f'login of user "{USER}" refused') as refused:
        await reader.open()
    await reader.aclose()
    assert refused.value.denied
    shown = [str(raised.value), repr(raised.value), str(refused.value), repr(out._config), str(out._config), caplog.text]
    shown += [repr(cause) for cause in (raised.value.__cause__, refused.value.__cause__)]
    assert not [text for text in shown if secret in text]


async def test_secrets_come_from_files(cluster: Cluster, topics: Topics, tmp_path: Path) -> None:
    """A password file and a token file are read at each connect, so that they may change."""
    topic = await topics.make(1)
    password, token = tmp_path / "password", tmp_path / "token"
    token.write_text(unsigned_token() + "\n")
    password.write_text("not yet\n")
    out = make(cluster, topic, over_tls=True, sasl={"enabled": True, "username": USER, "password_file": str(password)})
    with pytest.raises(NotConnected, match="login of user"):
        await out.open()
    password.write_text(PASSWORD + "\n")
    await out.open()
    await out.write(numbered(1))
    await out.aclose()
    out = make(cluster, topic, over_tls=True, sasl={"enabled": True, "mechanism": "OAUTHBEARER", "token_file": str(token)})
    await out.open()
    await out.write(numbered(1))
    await out.aclose()
    assert len(await topics.read(topic)) == 2


async def test_a_certificate_that_nobody_signed_is_refused(cluster: Cluster) -> None:
    """Without the authority's certificate the broker is not believed, and the error says so."""
    sasl = {"enabled": True, "username": USER, "password": PASSWORD}
    out = make(
        cluster,
        "t",
        over_tls=False,
        bootstrap_servers=f"127.0.0.1:{cluster.broker(1).tls_port}",
        tls={"enabled": True},
        sasl=sasl,
    )
    with pytest.raises(NotConnected, match=r"certificate of broker 127.* is refused: self-signed certificate; see tls.ca_file"):
        await out.open()
    await out.aclose()


async def test_a_missing_certificate_file_is_named(cluster: Cluster) -> None:
    """The file that cannot be read stands in the error."""
    out = make(cluster, "t", over_tls=False, tls={"enabled": True, "ca_file": "/nowhere/ca.pem"})
    with pytest.raises(NotConnected, match="No such file"):
        await out.open()


async def test_the_wrong_listener_is_told(cluster: Cluster) -> None:
    """TLS to a listener without, and none to a listener with TLS, both say what to look at."""
    plain, tls = cluster.broker(1).port, cluster.broker(1).tls_port
    out = make(cluster, "t", over_tls=True, bootstrap_servers=f"127.0.0.1:{plain}")
    with pytest.raises(NotConnected, match=r"broker 127.*(closes the connection|TLS)"):
        await out.open()
    out = make(cluster, "t", over_tls=False, bootstrap_servers=f"127.0.0.1:{tls}", request_timeout_secs=3)
    with pytest.raises(NotConnected, match=r"broker 127.*(expect TLS|does not answer)"):
        await out.open()

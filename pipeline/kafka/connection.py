"""How to reach a Kafka cluster: the options that sink and source share, and what they mean to a client.

In: a table of the pipeline file. Out: keyword arguments for an aiokafka client. Secrets are ``SecretStr`` or stay in their
files until a client is made, and appear in no log, error or ``repr``.
"""

import ssl
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, SecretStr, model_validator

from pipeline.api import Config, PathOption
from pipeline.model.effects import Needs, effective

INSTALL = 'Kafka needs the package aiokafka; type: pip install "httpipe[kafka]"'
"""Shown where the optional dependency is missing."""

DEFAULT_PORT = 9092


def servers(text: str) -> list[tuple[str, int]]:
    """``"a:9092, b, [::1]:9093"`` as hosts and ports."""
    found = []
    for entry in filter(None, (part.strip() for part in text.split(","))):
        host, _, port = entry.rpartition(":") if not entry.endswith("]") else (entry, "", "")
        if not host and not entry.startswith(":"):
            host, port = entry, ""  # a name without a port
        if ":" in host and not host.startswith("["):
            raise ValueError(f'"{entry}" is not host:port; write an IPv6 address in brackets, as in [::1]:{DEFAULT_PORT}')
        number = int(port) if port.isdecimal() else (0 if port else DEFAULT_PORT)
        if not host.strip("[]") or not 0 < number < 65536:
            raise ValueError(f'"{entry}" is not host:port')
        found.append((host.strip("[]"), number))
    if not found:
        raise ValueError("names no broker; write host:port, several separated by commas")
    return found


def _checked(text: str) -> str:
    servers(text)
    return text


class TlsOptions(Config):
    """`tls`: encryption, and who the two ends are."""

    model_config = ConfigDict(hide_input_in_errors=True)

    enabled: bool = False
    """Talk TLS to the brokers."""
    ca_file: PathOption | None = None
    """Certificates (PEM) that a broker's is checked against. Default: those of the system."""
    crt_file: PathOption | None = None
    """Own certificate (PEM), where the brokers ask for one."""
    key_file: PathOption | None = None
    """Its private key (PEM)."""
    key_pass: SecretStr | None = None
    """Password of the private key; write `"${NAME}"` to take it from the environment."""
    verify_certificate: bool = True
    """Refuse brokers whose certificate is not signed by a known authority."""
    verify_hostname: bool = True
    """Refuse brokers whose certificate is for another host."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.enabled:
            return effective(self, Needs(sorted(self.model_fields_set - {"enabled"}), "enabled = true", met=False))
        return effective(
            self,
            Needs(["ca_file", "verify_hostname"], "verify_certificate = true", self.verify_certificate),
            Needs(["key_file", "key_pass"], "crt_file", self.crt_file is not None),
        )

    def context(self) -> ssl.SSLContext:
        """An SSL context as these options say. Reads files; raises ``OSError`` that names the file."""
        context = ssl.create_default_context(cafile=self.ca_file)
        if not self.verify_certificate:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        elif not self.verify_hostname:
            context.check_hostname = False
        if self.crt_file:
            password = self.key_pass.get_secret_value() if self.key_pass else None
            context.load_cert_chain(self.crt_file, self.key_file, password)
        return context


class SaslOptions(Config):
    """`sasl`: how to log in."""

    model_config = ConfigDict(hide_input_in_errors=True)

    enabled: bool = False
    """Log in with SASL."""
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = "SCRAM-SHA-512"
    """SASL mechanism. `PLAIN` and `OAUTHBEARER` send the secret itself: use them with `tls.enabled = true`."""
    username: str | None = None
    """User name, for all but `OAUTHBEARER`."""
    password: SecretStr | None = None
    """Password; write `"${NAME}"` to take it from the environment."""
    password_file: PathOption | None = None
    """File that holds the password; read at each connect. A newline at its end is cut."""
    token: SecretStr | None = None
    """Token for `OAUTHBEARER`; write `"${NAME}"` to take it from the environment."""
    token_file: PathOption | None = None
    """File that holds the token for `OAUTHBEARER`, such as a projected service account token; read at each login."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.enabled:
            return effective(self, Needs(sorted(self.model_fields_set - {"enabled"}), "enabled = true", met=False))
        if self.mechanism == "OAUTHBEARER":
            if (self.token is None) == (self.token_file is None):
                raise ValueError("OAUTHBEARER needs one of token and token_file")
        elif self.username is None or (self.password is None) == (self.password_file is None):
            raise ValueError(f"{self.mechanism} needs username and one of password and password_file")
        bearer = self.mechanism == "OAUTHBEARER"
        return effective(
            self,
            Needs(["username", "password", "password_file"], "a mechanism other than OAUTHBEARER", not bearer),
            Needs(["token", "token_file"], 'mechanism = "OAUTHBEARER"', bearer),
        )

    def read_password(self) -> str:
        """The password, from where it stands."""
        return _secret(self.password, self.password_file)

    def read_token(self) -> str:
        """The token, from where it stands."""
        return _secret(self.token, self.token_file)


class ConnectionOptions(Config):
    """Options that every component which talks to Kafka has."""

    model_config = ConfigDict(hide_input_in_errors=True)

    bootstrap_servers: Annotated[str, AfterValidator(_checked)]
    """Brokers to ask for the rest of the cluster: `host:port`, several separated by commas."""
    client_id: Annotated[str, Field(min_length=1, max_length=249)] = "httpipe"
    """Name under which the brokers log and limit this client."""
    # Half of the engine's write_timeout_secs: a broker that hangs is left for the partition's next leader within one write.
    request_timeout_secs: Annotated[float, Field(ge=1, le=600)] = 15.0
    """A broker that has not answered a request for this long is considered gone."""
    metadata_max_age_secs: Annotated[float, Field(ge=1, le=86_400)] = 60.0
    """How soon partitions that were added are noticed."""
    tls: TlsOptions = TlsOptions()
    """Encryption."""
    sasl: SaslOptions = SaslOptions()
    """Login."""

    def hosts(self) -> list[tuple[str, int]]:
        """Host and port of each bootstrap server."""
        return servers(self.bootstrap_servers)

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments for an aiokafka client. Reads the files that hold secrets."""
        protocol = f"SASL_{self._transport}" if self.sasl.enabled else self._transport
        chosen: dict[str, Any] = {
            "bootstrap_servers": [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts()],
            "client_id": self.client_id,
            "request_timeout_ms": int(self.request_timeout_secs * 1000),
            "metadata_max_age_ms": int(self.metadata_max_age_secs * 1000),
            "security_protocol": protocol.replace("SASL_TLS", "SASL_SSL").replace("TLS", "SSL"),
        }
        if self.tls.enabled:
            chosen["ssl_context"] = self.tls.context()
        if self.sasl.enabled:
            chosen["sasl_mechanism"] = self.sasl.mechanism
            if self.sasl.mechanism == "OAUTHBEARER":
                from pipeline.kafka.token import provider  # noqa: PLC0415  it imports aiokafka

                chosen["sasl_oauth_token_provider"] = provider(self.sasl.read_token)
            else:
                chosen["sasl_plain_username"] = self.sasl.username
                chosen["sasl_plain_password"] = self.sasl.read_password()
        return chosen

    @property
    def _transport(self) -> str:
        return "TLS" if self.tls.enabled else "PLAINTEXT"


def _secret(value: SecretStr | None, file: str | None) -> str:
    if value is not None:
        return value.get_secret_value()
    return Path(file or "").read_text(encoding="utf-8").rstrip("\r\n")

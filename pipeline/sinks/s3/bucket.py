"""A bucket: objects are put into it whole, or not at all. The home of obstore (Rust's object_store), imported when it is opened.

Credentials: those of the pipeline file, else the environment's, else those of the shared file, else what the host gives (web
identity, container, instance). The library signs, renews, and uploads large objects in parts.
"""

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import anyio.to_thread
from pydantic import AnyHttpUrl, ConfigDict, Field, SecretStr, model_validator

from pipeline.api import BackOff, Config, NotConnected, PathOption, Reject
from pipeline.model.effects import Needs, effective
from pipeline.reasons import readable
from pipeline.sinks.http.address import ServerUrl, is_https
from pipeline.sinks.http.answer import CONTENT_TOO_LARGE, sentence_of
from pipeline.sinks.s3.credentials import Keys, check_environment, from_file, wrong_key

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Store
    from obstore.store import S3Config as StoreConfig

INSTALL = 'this sink needs the package obstore; type: pip install "httpipe[s3]"'
"""Shown where the optional dependency is missing."""

PART_BYTES = 8 << 20
"""What is larger is uploaded in parts of this size; S3 takes 10,000 of them, of 5 MiB at least."""
PARTS_AT_ONCE = 4
RETRIES = 2
"""Of one request, within its time: 500 and 503 are part of S3's ordinary life, and a part that is sent again is no duplicate."""

_STATUS = re.compile(r"status code: (\d{3})[^:]*(?:: (.*))?", re.DOTALL)
_ELEMENT = re.compile(r"<(Code|Message)>(.*?)</\1>", re.DOTALL)
_REASONS = {
    "": re.compile(r'Os \{[^}]*message: "([^"]+)"'),
    "certificate refused: ": re.compile(r"InvalidCertificate\(\s*(?:Other\(\s*OtherError\(\s*)?(\w+)"),
    "name not found: ": re.compile(r'"dns error".*?error: "([^"]+)"', re.DOTALL),
    "no HTTPS there: ": re.compile(r"(InvalidContentType)"),
    "connection lost: ": re.compile(r"hyper::Error\(\s*(\w+)"),
    "no answer in time: ": re.compile(r"(TimedOut)"),
}
"""Where the library's description of an error has what the system said."""


class BucketOptions(Config):
    """Options of who stores objects: bucket, credentials, connection."""

    model_config = ConfigDict(hide_input_in_errors=True)

    bucket: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$")]
    """Bucket that the objects go to."""
    endpoint: ServerUrl | None = None
    """Address of a store that is not Amazon's, such as `https://minio.example:9000`. Default: Amazon's of the region."""
    region: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")] | None = None
    """Region of the bucket. Default: `AWS_REGION` of the environment, else `us-east-1`."""
    bucket_in_host: bool = False
    """Name the bucket in the host (`https://bucket.s3.example/key`) and not in the path; with Amazon's own address it makes no difference."""  # noqa: E501  one line of the generated page
    access_key_id: SecretStr | None = None
    """Access key; write `"${NAME}"` to take it from the environment. Default: see docs/sinks/s3.md, Credentials."""
    secret_access_key: SecretStr | None = None
    """Secret key of it."""
    session_token: SecretStr | None = None
    """Token of keys that were lent for a while."""
    credentials_file: PathOption | None = None
    """File with profiles. Default: `~/.aws/credentials`, where the environment has no keys."""
    profile: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Profile of that file. Default: `AWS_PROFILE` of the environment, else `default`."""
    ca_file: PathOption | None = None
    """Certificates (PEM) of authorities that the store's is checked against, beside those of the system."""
    verify_certificate: bool = True
    """Refuse a store whose certificate is not signed by a known authority or is for another host."""
    proxy: AnyHttpUrl | None = None
    """HTTP proxy to go through. Default: what the environment says (`HTTPS_PROXY`, `NO_PROXY`)."""
    timeout_secs: Annotated[float, Field(gt=0, le=600)] = 30.0
    """How long one request may take, of a large object one part."""

    @model_validator(mode="after")
    def _keys_are_whole(self) -> Self:
        for name in ("access_key_id", "secret_access_key", "session_token"):
            secret = getattr(self, name)
            if secret is not None and (wrong := wrong_key(secret.get_secret_value(), optional=name == "session_token")):
                raise ValueError(f"{name} {wrong}")
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ValueError("access_key_id and secret_access_key belong together")
        if self.access_key_id is not None and (self.profile is not None or self.credentials_file is not None):
            raise ValueError("access_key_id and a profile exclude each other: keep one of them")
        return effective(
            self,
            Needs(["session_token"], "access_key_id", self.access_key_id is not None),
            Needs(
                ["ca_file", "verify_certificate"],
                "an endpoint that begins with https://",
                self.endpoint is None or is_https(self.endpoint),
            ),
            Needs(["ca_file"], "verify_certificate = true", self.verify_certificate),
        )


class Bucket:
    """``open`` before everything else; ``close`` is safe twice, and safe unopened."""

    def __init__(self, options: BucketOptions) -> None:
        self._options = options
        self._store: S3Store | None = None

    async def open(self) -> None:
        """Read certificates and the file of credentials; connections are made as they are needed. Raises ``NotConnected``."""
        self._store = await anyio.to_thread.run_sync(self._made)

    async def put(self, key: str, body: bytes, content_type: str) -> None:
        """Store an object, in parts where it is large.

        Raises ``Reject`` where it is too large, and ``NotConnected`` or ``BackOff``: then it may be there all the same.
        """
        import obstore  # noqa: PLC0415  an optional dependency: only who uses it pays

        try:
            await obstore.put_async(
                self._opened(),
                key,
                body,
                attributes={"Content-Type": content_type},
                chunk_size=PART_BYTES,
                max_concurrency=PARTS_AT_ONCE,
            )
        except (obstore.exceptions.BaseError, OSError, ValueError) as error:
            raise self._failure(error) from error

    async def check(self) -> None:
        """Raise where the bucket is not there or the credentials are wrong. Who may write and not list is taken at their word."""
        import obstore  # noqa: PLC0415  as above

        try:
            await anext(aiter(obstore.list(self._opened(), chunk_size=1)), None)
        except (obstore.exceptions.BaseError, OSError, ValueError) as error:
            failure = self._failure(error)
            if "AccessDenied" not in str(failure):
                raise failure from error

    def close(self) -> None:
        """Let go of all connections."""
        self._store = None

    def _opened(self) -> "S3Store":
        if self._store is None:
            raise NotConnected("not open")
        return self._store

    def _made(self) -> "S3Store":
        try:
            from obstore.exceptions import BaseError  # noqa: PLC0415  as above
            from obstore.store import S3Store  # noqa: PLC0415
        except ImportError as error:
            raise NotConnected(INSTALL) from error
        options = self._options
        try:
            return S3Store(
                options.bucket,
                config=self._config(),
                client_options=self._client(),
                retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=options.timeout_secs)},
            )
        except (BaseError, OSError, ValueError) as error:
            raise NotConnected(readable(str(error))) from error

    def _config(self) -> "StoreConfig":
        options = self._options
        config: StoreConfig = {}
        if options.endpoint is not None:
            config["endpoint"] = options.endpoint
            config["virtual_hosted_style_request"] = options.bucket_in_host
        if options.region is not None:
            config["region"] = options.region
        keys = self._keys()
        if keys is not None:
            config["access_key_id"], config["secret_access_key"] = keys.access_key_id, keys.secret_access_key
            if keys.session_token:
                config["session_token"] = keys.session_token
        return config

    def _keys(self) -> Keys | None:
        options = self._options
        check_environment(os.environ)
        if options.access_key_id is None or options.secret_access_key is None:
            return from_file(options.credentials_file, options.profile, os.environ)
        token = "" if options.session_token is None else options.session_token.get_secret_value()
        return Keys(options.access_key_id.get_secret_value(), options.secret_access_key.get_secret_value(), token)

    def _client(self) -> "ClientConfig":
        options = self._options
        client: ClientConfig = {
            "timeout": timedelta(seconds=options.timeout_secs),
            "connect_timeout": timedelta(seconds=min(options.timeout_secs, 10.0)),
            "user_agent": "httpipe",
        }
        if options.endpoint is not None and options.endpoint.lower().startswith("http:"):
            client["allow_http"] = True
        if not options.verify_certificate:
            client["allow_invalid_certificates"] = True
        if options.ca_file is not None:
            client["root_certificate"] = Path(options.ca_file).read_bytes()
        if options.proxy is not None:
            client["proxy_url"] = str(options.proxy)
        return client

    def _failure(self, error: Exception) -> NotConnected | BackOff | Reject:
        """What the store said, in a sentence; where it said nothing, what the system did."""
        where = f"bucket {self._options.bucket}" + (f" at {self._options.endpoint}" if self._options.endpoint else "")
        text, _, details = str(error).partition("\n\nDebug source:")
        answered = _STATUS.search(text)
        if answered:
            said = ": ".join(found[1] for found in _ELEMENT.findall(answered[2] or "")) or (answered[2] or "")
            sentence = sentence_of(where, int(answered[1]), readable(said))
            return Reject(sentence) if int(answered[1]) == CONTENT_TOO_LARGE else BackOff(message=sentence)
        reasons = [f"{what}{found[1]}" for what, pattern in _REASONS.items() if (found := pattern.search(details))]
        return NotConnected(f"{where}: {readable(reasons[0] if reasons else text)}")

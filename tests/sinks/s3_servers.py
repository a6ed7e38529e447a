"""Servers with an S3 interface for the tests: SeaweedFS as PyPI has it, and Versity's gateway and MinIO, built from Go modules.

They are started and killed as often as a test likes, with the same port and the same data each time. ``key`` may do everything,
``put`` (SeaweedFS only) may write and not list.
"""

import json
import os
import subprocess
import time
from abc import abstractmethod
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, ClassVar

import obstore
from obstore.store import S3Store

from tests.go_programs import NoGoError, installed
from tests.maven_jars import NotAvailable
from tests.pypi_servers import folder as pypi_folder
from tests.server_process import ServerProcess, free_port

BUCKET = "events"
KEYS = {"access_key_id": "key", "secret_access_key": "secretsecret"}
START_SECS = 60.0
GATEWAY = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"
MINIO = "github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c"
"""The last state of its sources: Go's proxy knows none of its releases."""


class StoreServer(ServerProcess):
    """What all have."""

    ENVIRONMENT: ClassVar[dict[str, str]] = {}
    """Of its process, beside ours."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    @abstractmethod
    def command(self) -> list[str]:
        """What starts it."""

    def start(self) -> None:
        """Returns when the bucket is there."""
        self.process = subprocess.Popen(
            self.command(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            env={**os.environ, **self.ENVIRONMENT},
        )
        until = time.monotonic() + START_SECS
        while not self.ready():
            assert self.process.poll() is None, "the server ended"
            assert time.monotonic() < until
            time.sleep(0.05)

    def ready(self) -> bool:
        """Whether an object can be put into the bucket."""
        try:
            obstore.put(self.store(), "ready", b"")
            obstore.delete(self.store(), "ready")
        except (obstore.exceptions.BaseError, OSError):
            return False
        return True

    def store(self) -> S3Store:
        """The bucket, for the test itself."""
        return S3Store(
            BUCKET,
            endpoint=self.base,
            region="us-east-1",
            client_options={"allow_http": True},
            retry_config={"max_retries": 0},
            access_key_id=KEYS["access_key_id"],
            secret_access_key=KEYS["secret_access_key"],
        )

    def keys(self, prefix: str = "") -> list[str]:
        """In order."""
        return sorted(found["path"] for page in obstore.list(self.store(), prefix or None) for found in page)

    def objects(self, prefix: str = "") -> dict[str, bytes]:
        """Content by key, in order of keys. A server that has come back may need a while until it finds all contents."""
        return {key: self._content(key) for key in self.keys(prefix)}

    def _content(self, key: str) -> bytes:
        until = time.monotonic() + START_SECS
        while True:
            try:
                return bytes(obstore.get(self.store(), key).bytes())
            except obstore.exceptions.BaseError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def options(self, **more: Any) -> dict[str, Any]:
        """Of a sink that writes here."""
        return {"endpoint": self.base, "region": "us-east-1", "bucket": BUCKET, **KEYS, **more}


PORTS = (
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "s3.port.grpc",
)


class Seaweed(StoreServer):
    """SeaweedFS: master, volume, filer and S3 interface in one process."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.ports: dict[str, int] = {}

    def command(self) -> list[str]:
        """All its ports are chosen here."""
        identities = [
            {"name": "all", "credentials": [_keys("key")], "actions": ["Admin", "Read", "Write", "List"]},
            {"name": "put", "credentials": [_keys("put")], "actions": [f"Write:{BUCKET}"]},
        ]
        (self.folder / "s3.json").write_text(json.dumps({"identities": identities}))
        if not self.ports:
            self.ports = {name: free_port() for name in PORTS}
        (self.folder / "data").mkdir(exist_ok=True)
        program = str(pypi_folder() / "bin" / "weed")
        fixed = ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={self.folder}/data", "-master.telemetry=false"]
        small = ["-volume.max=8", "-master.volumeSizeLimitMB=64", "-master.electionTimeout=1s", "-master.heartbeatInterval=100ms"]
        s3 = ["-s3", f"-s3.port={self.port}", "-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.config=s3.json"]
        ports = [f"-{name}={port}" for name, port in self.ports.items()]
        return [program, "server", *fixed, *small, *s3, "-s3.autoCreateBucket=false", *ports]

    def ready(self) -> bool:
        """A bucket is a folder of its filer."""
        filer = HTTPConnection("127.0.0.1", self.ports["filer.port"], timeout=5)
        try:
            filer.request("POST", f"/buckets/{BUCKET}/")
            made = filer.getresponse().status in {201, 409}  # 409: it is there
        except (OSError, HTTPException):
            return False
        finally:
            filer.close()
        return made and super().ready()


class Gateway(StoreServer):
    """Versity's gateway over a folder. The first time it is built, which takes minutes."""

    ENVIRONMENT: ClassVar = {"ROOT_ACCESS_KEY": KEYS["access_key_id"], "ROOT_SECRET_KEY": KEYS["secret_access_key"]}

    def command(self) -> list[str]:
        """Buckets are folders."""
        for name in ("data", "meta"):
            (self.folder / name).mkdir(exist_ok=True)
        (self.folder / "data" / BUCKET).mkdir(exist_ok=True)
        place = f"127.0.0.1:{self.port}"
        return [
            str(_built(GATEWAY)),
            "--port",
            place,
            "--quiet",
            "posix",
            "--sidecar",
            f"{self.folder}/meta",
            f"{self.folder}/data",
        ]


class Minio(StoreServer):
    """MinIO over one drive, which is a folder. The first time it is built, which takes minutes."""

    ENVIRONMENT: ClassVar = {
        "MINIO_ROOT_USER": KEYS["access_key_id"],
        "MINIO_ROOT_PASSWORD": KEYS["secret_access_key"],
        "MINIO_BROWSER": "off",
        "MINIO_UPDATE": "off",
    }

    def command(self) -> list[str]:
        """Buckets are folders."""
        (self.folder / "data" / BUCKET).mkdir(parents=True, exist_ok=True)
        return [str(_built(MINIO)), "server", "--quiet", "--address", f"127.0.0.1:{self.port}", f"{self.folder}/data"]


def _keys(name: str) -> dict[str, str]:
    return {"accessKey": name, "secretKey": KEYS["secret_access_key"]}


def _built(package: str) -> Path:
    try:
        return installed(package)
    except NoGoError as error:
        raise NotAvailable(str(error)) from error

"""Loki itself, built of its Go module: one process, with its data in a folder, and tenants with limits of their own."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import httpx
from sink_servers import Server

from tests.go_programs import NoGoError, built_in_its_module
from tests.maven_jars import NotAvailable
from tests.server_process import free_port

MODULE, GO = "github.com/grafana/loki/v3@v3.7.8", "1.26.5"
PUSH_MODULE = "github.com/grafana/loki/pkg/push"
LARGE = 100 << 20

TENANTS: Mapping[str, Mapping[str, Any]] = {
    "any": {},
    "recent": {"reject_old_samples": True, "reject_old_samples_max_age": "168h"},
    "slow": {"ingestion_rate_mb": 0.2, "ingestion_burst_size_mb": 0.1},
    "slow-streams": {
        "per_stream_rate_limit": "200KB",
        "per_stream_rate_limit_burst": "100KB",
        "shard_streams": {"enabled": False},
    },
    **{f"few-streams-{order}": {"max_global_streams_per_user": 2} for order in ("abc", "cab", "bca")},
    "bare": {"allow_structured_metadata": False},
    "blocked": {"block_ingestion_until": "2100-01-01T00:00:00Z"},
    "labelled": {"enforced_labels": ["team"]},
}
"""Limits that differ from those of all tenants, by the tenant."""


class Entry(NamedTuple):
    """What Loki has: time in nanoseconds since 1970; ``metadata`` with what Loki itself finds out."""

    labels: dict[str, str]
    timestamp_ns: int
    line: dict[str, Any]
    metadata: dict[str, str]


class Loki(Server):
    """All of its parts in one process. It takes entries of any age, as far as they are not of the future."""

    ready_path = "/ready"

    def command(self) -> Sequence[str]:
        """JSON is YAML."""
        try:
            program = built_in_its_module(MODULE, "./cmd/loki", GO, PUSH_MODULE)
        except NoGoError as error:
            raise NotAvailable(f"Loki cannot be built here: {error}") from error
        file = self.folder / "loki.json"
        if not file.exists():
            (self.folder / "tenants.json").write_text(json.dumps({"overrides": TENANTS}))
            file.write_text(json.dumps(self._settings(free_port())))
        return [str(program), f"-config.file={file}"]

    def _settings(self, grpc_port: int) -> dict[str, Any]:
        here = "127.0.0.1"
        listen = {"http_listen_address": here, "http_listen_port": self.port}
        # an answer of 20,000 entries passes between its parts
        large = {"grpc_server_max_recv_msg_size": LARGE, "grpc_server_max_send_msg_size": LARGE}
        schema = {"from": "2020-01-01", "store": "tsdb", "object_store": "filesystem", "schema": "v13"}
        return {
            "auth_enabled": True,
            "analytics": {"reporting_enabled": False},
            "server": {**listen, "grpc_listen_address": here, "grpc_listen_port": grpc_port, "log_level": "warn", **large},
            "common": {
                "instance_addr": here,
                "path_prefix": str(self.folder),
                "replication_factor": 1,
                "ring": {"instance_addr": here, "kvstore": {"store": "inmemory"}},
                "storage": {
                    "filesystem": {
                        "chunks_directory": f"{self.folder}/chunks",
                        "rules_directory": f"{self.folder}/rules",
                    }
                },
            },
            "schema_config": {"configs": [{**schema, "index": {"prefix": "index_", "period": "24h"}}]},
            # Loki asks what is in memory for younger entries only, if nobody says otherwise
            "ingester": {"lifecycler": {"min_ready_duration": "0s"}, "query_store_max_look_back_period": "-1ns"},
            # its parts look for each other this often, and not after ten seconds
            "frontend": {"scheduler_dns_lookup_period": "100ms"},
            "frontend_worker": {"dns_lookup_duration": "100ms"},
            "limits_config": {"reject_old_samples": False, "max_entries_limit_per_query": 100_000, "max_query_length": "0s"},
            "runtime_config": {"file": f"{self.folder}/tenants.json"},
        }

    def received(self, tenant: str) -> int:
        """How many lines since it was started."""
        said = httpx.get(f"{self.base}/metrics", trust_env=False).text
        found = re.findall(rf'^loki_distributor_lines_received_total{{.*tenant="{tenant}".*}} (\S+)$', said, re.MULTILINE)
        return int(sum(map(float, found)))

    def entries(self, tenant: str, query: str, start_ns: int, end_ns: int) -> list[Entry]:
        """What LogQL finds, in order of time."""
        asked: dict[str, Any] = {"query": query, "start": start_ns, "end": end_ns, "limit": 100_000, "direction": "forward"}
        fields = {"x-scope-orgid": tenant, "x-loki-response-encoding-flags": "categorize-labels"}
        answer = httpx.get(f"{self.base}/loki/api/v1/query_range", params=asked, headers=fields, timeout=60, trust_env=False)
        assert answer.is_success, answer.text
        found = [
            Entry(each["stream"], int(time), json.loads(line), about.get("structuredMetadata", {}))
            for each in answer.json()["data"]["result"]
            for time, line, about in each["values"]
        ]
        return sorted(found, key=lambda entry: entry.timestamp_ns)

"""``pipeline.model.effects``: an option that is set in vain is an error that names it, its value and what it needs."""

from typing import Any

import pytest
from pydantic import BaseModel

from pipeline.config.models import check
from pipeline.plugins.discovery import Kind, discover
from pipeline.plugins.registry import Registry, TrustNothing

CLICKHOUSE = {"url": "https://db.example:8443", "table": "http"}
HTTP = {"url": "http://hooks.example/in"}
KAFKA = {"bootstrap_servers": "a", "topic": "t"}
OTLP = {"endpoint": "http://collector.example:4318"}
SASL = {"enabled": True, "username": "u", "password": "hunter2-hunter2"}
SYSLOG = {"address": "udp://log.example"}
ENFORCE = {"interfaces": ["lo"], "ports": [80]}

IN_VAIN: list[tuple[str, str, dict[str, Any], list[str]]] = [
    ("sink", "s3", {"bucket": "abc", "columns": {"a": "int"}}, ['columns: has no effect without format = "parquet"']),
    ("sink", "s3", {"bucket": "abc", "kinds": ["http.exchange"]}, ['kinds: ["http.exchange"] has no effect without format']),
    ("sink", "s3", {"bucket": "abc", "format": "parquet", "encoding": {"codec": "json"}}, ["encoding: has no effect without"]),
    ("sink", "s3", {"bucket": "abc", "verify_certificate": False, "ca_file": "/a"}, ['ca_file: "/a" has no effect without']),
    (
        "sink",
        "s3",
        {"bucket": "abc", "endpoint": "http://s3.example", "verify_certificate": False},
        ["verify_certificate: false has no effect without an endpoint that begins with https://"],
    ),
    (
        "sink",
        "clickhouse",
        {**CLICKHOUSE, "ttl_days": 30, "engine": "MergeTree", "columns": {"a": "String"}},
        [
            "columns: has no effect without create_table = true; set that, or leave columns out",
            'engine: "MergeTree" has no effect without create_table = true; set that, or leave engine out',
            "ttl_days: 30 has no effect without create_table = true; set that, or leave ttl_days out",
        ],
    ),
    ("sink", "stdout", {"encoding": {"codec": "json"}}, ['encoding: has no effect without format = "json"']),
    ("sink", "stdout", {"keep_bytes": 1 << 20}, ['keep_bytes: 1048576 has no effect without format = "pcapng"']),
    (
        "sink",
        "file",
        {"path": "/a", "fsync_interval_secs": 2},
        ['fsync_interval_secs: 2.0 has no effect without fsync = "interval"'],
    ),
    ("sink", "file", {"path": "/a", "max_open_files": 9}, ["max_open_files: 9 has no effect without a path with time tokens"]),
    (
        "sink",
        "syslog",
        {**SYSLOG, "socket": "stream", "framing": "lines", "tls": {"ca_file": "/a"}, "sd_id": "a@1"},
        ["socket: ", "framing: ", "tls: has no effect without an address that begins with tls://", 'sd_id: "a@1" has no effect'],
    ),
    ("sink", "syslog", {**SYSLOG, "only_fields": ["url"]}, ["only_fields: "]),
    ("sink", "syslog", {**SYSLOG, "message": "json", "bom": False}, ["bom: false has no effect"]),
    ("sink", "http", {**HTTP, "tls": {"ca_file": "/a"}}, ['tls: has no effect without url = "https://…"']),
    ("sink", "http", {"url": "https://a.example", "tls": {"key_pass": "hunter2"}}, ['tls.key_pass: "**********" has no effect']),
    ("sink", "otlp", {**OTLP, "tls": {"ca_file": "/a"}}, ['tls: has no effect without endpoint = "https://…"']),
    ("sink", "otlp", {**OTLP, "exchanges": "logs", "span_kind": "client"}, ['span_kind: "client" has no effect']),
    ("sink", "kafka", {**KAFKA, "sasl": {**SASL, "token_file": "/a"}}, ["sasl.token_file: the value has no effect"]),
    (
        "sink",
        "kafka",
        {**KAFKA, "sasl": {**SASL, "mechanism": "OAUTHBEARER", "token_file": "/a"}},
        ['sasl.username: "u" has no effect', "sasl.password: the value has no effect"],
    ),
    (
        "sink",
        "kafka",
        {**KAFKA, "tls": {"enabled": True, "verify_certificate": False, "verify_hostname": True}},
        ["tls.verify_hostname: true has no effect without verify_certificate = true"],
    ),
    ("source", "bpf", {"processes": False, "command_lines": True}, ["command_lines: true has no effect without processes"]),
    ("source", "firewall", {**ENFORCE, "answer": "reset", "body": "no"}, ['body: "no" has no effect without answer = "403"']),
    ("source", "firewall", {**ENFORCE, "on_doubt": "pass", "pass_doubts": ["dots"]}, ['pass_doubts: ["dots"] has no effect']),
    ("transform", "kubernetes", {"context": "c"}, ['context: "c" has no effect without kubeconfig']),
    ("transform", "redact", {"headers": ["cookie"], "key": "hunter2"}, ['key: has no effect without action = "hash"']),
    (
        "transform",
        "redact",
        {"addresses": "pseudonym", "key": "k" * 16, "action": "hash"},
        ['action: "hash" has no effect without headers, query, json_paths, patterns or regexes'],
    ),
]


def model(kind: str, name: str) -> type[BaseModel]:
    """The options of a component."""
    return Registry(discover(), TrustNothing()).load(Kind(kind), name).component.Config


@pytest.mark.parametrize(("kind", "name", "table", "expected"), IN_VAIN)
def test_an_option_that_is_set_in_vain_is_told_at_its_place(
    kind: str, name: str, table: dict[str, Any], expected: list[str]
) -> None:
    """Each of them, with its value and what it needs, but never a secret."""
    made, problems = check(model(kind, name), table, "x")

    said = [str(problem) for problem in problems]
    assert made is None
    assert len(said) == len(expected), said
    for problem, beginning in zip(said, expected, strict=True):
        assert problem.startswith(f"x.{beginning}")
        assert "; set that, or leave " in problem
        assert "hunter2" not in problem


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("stdout", {"show_secrets": False}),
        ("clickhouse", {**CLICKHOUSE, "ttl_days": None, "columns": {}}),
        ("clickhouse", {**CLICKHOUSE, "create_table": True, "ttl_days": 30, "columns": {"a": "String"}}),
        ("http", {**HTTP, "tls": {}}),
        ("http", {**HTTP, "tls": {"key_pass": ""}}),
        ("file", {"path": "/a", "compression": "none"}),
        ("http", {"url": "https://a.example", "tls": {"key_pass": ""}}),
        ("kafka", {**KAFKA, "sasl": {"enabled": False, "username": "", "password": ""}}),
        ("s3", {"bucket": "abc", "session_token": ""}),
        ("http", {"url": "HTTPS://hooks.example", "tls": {"ca_file": "/a"}}),
        ("file", {"path": "/a-{{server.address}}", "max_open_files": 9}),
    ],
)
def test_what_says_no_is_as_good_as_left_out(name: str, table: dict[str, Any]) -> None:
    """An option that is set to nothing asks for nothing; one that has what it needs is obeyed."""
    assert check(model("sink", name), table, "x")[1] == []

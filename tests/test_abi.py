"""The layouts: what the C compiler makes of ``http_trace.h``, ``tls.h`` and ``gate/abi.h`` against the mirrors in ``abi.py``."""

import re
import subprocess
from pathlib import Path
from struct import Struct

import pytest

from pipeline.sources.bpf import abi
from pipeline.sources.gate import abi as gate
from pipeline.sources.tls import abi as tls
from pipeline.sources.tls.probe import Call

FOLDER = Path(__file__).parents[1] / "pipeline" / "bpf"

FIELDS = {
    "http_record": ("ts_ns last_ns seq ack length captured ifindex vlan flags bits flow pad", abi.RECORD),
    "http_key": ("address[0] address[1] port[0] port[1] family", abi.KEY),
    "http_direction": (" ".join(abi.Direction._fields), abi.DIRECTION),
    "http_opening": ("syn_ns answer_ns syn_seq answer_seq client pad", abi.OPENING),
    "http_settings": ("want budget some_ports keep looked_ns facts loopback websockets handshakes frame contents", abi.SETTINGS),
    "http_owner_key": ("connection side", abi.OWNER_KEY),
    "process_facts": ("pid text_bytes components groups command pad[0] pad[1] pad[2]", abi.FACTS),
}
CONSTANTS = {
    "HTTP_RECORD_PAYLOAD": abi.RECORD_PAYLOAD,
    "HTTP_SEGMENT_RECORDS": abi.SEGMENT_RECORDS,
    "HTTP_RANGE_BYTES": abi.RANGE_BYTES,
    "HTTP_RANGE_QUIET_NS": abi.RANGE_QUIET_NS,
    "HTTP_PARTS": abi.PARTS,
    "HTTP_WHERE_SENT": abi.WHERE_SENT,
    "HTTP_BIT_IPV6": abi.Bit.IPV6,
    "HTTP_BIT_OUTGOING": abi.Bit.OUTGOING,
    "HTTP_BIT_CUT": abi.Bit.CUT,
    "HTTP_BIT_RANGE": abi.Bit.RANGE,
    "HTTP_BIT_SHED": abi.Bit.SHED,
    "HTTP_BIT_OWNER": abi.Bit.OWNER,
    "PROCESS_FACTS": abi.FACTS.size,
    "PROCESS_WITH_CGROUP_V1": abi.Facts.CGROUP_V1,
    "PROCESS_WITH_COMMAND": abi.Facts.COMMAND,
    "__builtin_offsetof(struct http_owner, facts)": abi.RECORD.size,
    "sizeof(struct http_owner_key)": abi.OWNER_KEY.size,
    "HTTP_WANT_NOTHING": abi.Want.NOTHING,
    "HTTP_WANT_ANY": abi.Want.ANY,
    "HTTP_COUNTS": len(abi.COUNTS),
    "sizeof(struct http_record)": abi.RECORD.size,
    "sizeof(struct http_connection)": abi.CONNECTION_BYTES,
    "sizeof(struct http_settings)": abi.SETTINGS_BYTES,
    "sizeof(struct http_counters)": abi.COUNTERS_BYTES,
    "__builtin_offsetof(struct http_record, flow)": abi.FLOW_OFFSET,
    "__builtin_offsetof(struct http_settings, want)": abi.WANT_OFFSET,
    "__builtin_offsetof(struct http_settings, keep)": abi.KEEP_OFFSET,
}
TLS_RECORD = """ts_ns connection position tgid length captured target version kind bits how pad votes conflicts process_votes
    process_conflicts ends.local ends.remote ends.local_port ends.remote_port ends.family pad2"""
TLS_FIELDS = {
    "tls_record": (TLS_RECORD, tls.RECORD),
    "tls_settings": ("want budget ends keep looked_ns own facts websockets pad", tls.SETTINGS),
    "tls_process": ("verdict votes conflicts pad", tls.PROCESS),
}
TLS_CONSTANTS = {
    "TLS_RECORD_PAYLOAD": tls.RECORD_PAYLOAD,
    "TLS_CALL_RECORDS": tls.CALL_RECORDS,
    "HTTP_PARTS": tls.PARTS,
    "TLS_COUNTS": len(tls.COUNTS),
    "sizeof(struct tls_record)": tls.RECORD.size,
    "sizeof(struct tls_settings)": tls.SETTINGS.size,
    "sizeof(struct tls_process)": tls.PROCESS.size,
    "__builtin_offsetof(struct tls_settings, want)": tls.WANT_OFFSET,
    "__builtin_offsetof(struct tls_settings, keep)": tls.KEEP_OFFSET,
    **{f"TLS_CALL_{each.name}": each for each in Call},
    **{f"TLS_{each.name}": each for each in tls.Kind},
    **{f"TLS_BIT_{each.name}": each for each in tls.Bit},
    **{f"TLS_HOW_{each.name}": each for each in tls.How},
    **{f"TLS_WANT_{each.name}": each for each in tls.Want},
    **{f"TLS_END_{each.name}": each for each in tls.End},
    **{f"TLS_{each.name}": each for each in tls.Verdict},
}


GATE_SETTINGS = """mode answer refuse policy report_all list facts[0] facts[1] generations[0] generations[1] reply_bytes reply_sum
    reply raw_links ports"""
GATE_DECISION = """ts_ns flow seq ifindex doubts entry generation head_bytes vlan bits mode reason action answer method_bytes
    host_bytes path_bytes method host path"""
GATE_FIELDS = {
    "gate_name": ("kind host method text", gate.NAME),
    "gate_prefix": ("bits name.kind name.host name.method name.text", gate.PREFIX),
    "gate_found": ("a b c d", gate.FOUND),
    "gate_settings": (GATE_SETTINGS, gate.SETTINGS),
    "gate_decision": (GATE_DECISION, gate.DECISION),
}
GATE_CONSTANTS = {
    **{
        f"GATE_{name}": getattr(gate, name)
        for name in (
            "PATH_BYTES",
            "SEGMENTS",
            "METHOD_BYTES",
            "HEAD_BYTES",
            "TEXT_BYTES",
            "HOST_ROOM",
            "REPLY_BYTES",
            "RECORD_PATH",
            "RAW_LINKS",
        )
    },
    "GATE_COUNTS": len(gate.COUNTS),
    "sizeof(struct gate_settings)": gate.SETTINGS.size,
    "sizeof(struct gate_decision)": gate.DECISION.size,
    "sizeof(struct gate_row)": gate.ROW.size,
    "__builtin_offsetof(struct gate_row, entry)": gate.ROW.size - 4,
    "__builtin_offsetof(struct gate_settings, mode)": gate.MODE_OFFSET,
    "__builtin_offsetof(struct gate_settings, list)": gate.LIST_OFFSET,
    "__builtin_offsetof(struct gate_settings, facts)": gate.FACTS_OFFSET,
    "__builtin_offsetof(struct gate_settings, generations)": gate.GENERATIONS_OFFSET,
    "__builtin_offsetof(struct gate_settings, reply_bytes)": gate.REPLY_OFFSET,
    "__builtin_offsetof(struct gate_settings, raw_links)": gate.RAW_LINKS_OFFSET,
    "__builtin_offsetof(struct gate_settings, ports)": gate.PORTS_OFFSET,
    **{f"GATE_MODE_{each.name}": each for each in gate.Mode},
    **{f"GATE_ANSWER_{each.name}": each for each in gate.Answer},
    **{f"GATE_POLICY_{each.name}": each for each in gate.Policy},
    **{f"GATE_DOUBT_{each.name}": each for each in gate.Doubt if each < gate.Doubt.UPGRADE},
    **{f"GATE_FACT_{each.name}": each for each in gate.Doubt if each >= gate.Doubt.UPGRADE},
    **{f"GATE_REASON_{each.name}": each for each in gate.Reason},
    **{f"GATE_ACTION_{each.name}": each for each in gate.Action},
    **{f"GATE_NAME_{each.name}": each for each in gate.Kind},
    **{f"GATE_GROUP_{each.name}": each for each in gate.Group},
    **{f"GATE_LIST_{each.name}": each for each in gate.Facts},
    **{f"GATE_BIT_{each.name}": each for each in gate.Bit},
}


def agree(folder: Path, statements: list[str], header: str = "http_trace.h") -> subprocess.CompletedProcess[str]:
    """Let clang check the statements, for the target of the program itself."""
    source = folder / "agree.c"
    asserts = "\n".join(f'_Static_assert({statement}, "{statement}");' for statement in statements)
    types = "\n".join(
        f"typedef unsigned {c} {name};" for c, name in (("char", "__u8"), ("short", "__u16"), ("int", "__u32"), ("long", "__u64"))
    )
    includes = "".join(f'#include "{FOLDER / name}"\n' for name in ("shed/parts.h", header))
    source.write_text(f"{types}\n{includes}{asserts}\n")
    command = ["clang", "-target", "bpf", "-fsyntax-only", f"-iquote{FOLDER}", str(source)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def offsets(layout: str) -> list[int]:
    """Where each field of a packed struct format begins."""
    sizes = {"B": 1, "H": 2, "I": 4, "Q": 8}
    places, at = [], 0
    for count, kind in re.findall(r"(\d*)([a-zA-Z])", layout):
        for _ in range(1 if kind == "s" else int(count or 1)):
            places.append(at)
            at += int(count) if kind == "s" else sizes[kind]
    return places


@pytest.mark.parametrize(
    ("header", "structs", "constants"),
    [("http_trace.h", FIELDS, CONSTANTS), ("tls.h", TLS_FIELDS, TLS_CONSTANTS), ("gate/abi.h", GATE_FIELDS, GATE_CONSTANTS)],
)
def test_layout(tmp_path: Path, header: str, structs: dict[str, tuple[str, Struct]], constants: dict[str, int]) -> None:
    """Every field lies where abi.py thinks, and every constant has the same value."""
    statements = [f"{name} == {int(value)}" for name, value in constants.items()]
    for struct, (fields, layout) in structs.items():
        places = offsets(layout.format)
        assert len(places) == len(fields.split())
        for field, place in zip(fields.split(), places, strict=True):
            statements.append(f"__builtin_offsetof(struct {struct}, {field}) == {place}")
    done = agree(tmp_path, statements, header)
    assert done.returncode == 0, done.stderr


def test_counters_in_order(tmp_path: Path) -> None:
    """Counters have the names of the enum, in its order."""
    done = agree(tmp_path, [f"HTTP_COUNT_{name.upper()} == {place}" for place, name in enumerate(abi.COUNTS)])
    assert done.returncode == 0, done.stderr
    done = agree(tmp_path, [f"TLS_COUNT_{name.upper()} == {place}" for place, name in enumerate(tls.COUNTS)], "tls.h")
    assert done.returncode == 0, done.stderr
    done = agree(tmp_path, [f"GATE_COUNT_{name.upper()} == {place}" for place, name in enumerate(gate.COUNTS)], "gate/abi.h")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("statement", ["HTTP_COUNTS == 0", "__builtin_offsetof(struct http_record, seq) == 20"])
def test_a_difference_is_found(tmp_path: Path, statement: str) -> None:
    """A layout that differs does not pass."""
    assert agree(tmp_path, [statement]).returncode != 0


def test_port_bits() -> None:
    """Bit p of word p / 64 is port p, as the program looks it up."""
    bits = abi.port_bits((1, 80, 8080, 65535))
    words = [int.from_bytes(bits[place : place + 8], "little") for place in range(0, len(bits), 8)]
    assert [port for port in range(65536) if words[port >> 6] >> (port & 63) & 1] == [1, 80, 8080, 65535]


def test_flow_of_either_side() -> None:
    """A flow key has the addresses and ports as they lie in a packet of that side."""
    key = abi.KEY.pack(b"\x0a\x00\x00\x01".ljust(16, b"\0"), b"\x0a\x00\x00\x02".ljust(16, b"\0"), b"\x00\x50", b"\x9c\x40", 4)
    assert abi.flow(key, 0) == bytes.fromhex("0a000001 0a000002 0050 9c40")
    assert abi.flow(key, 1) == bytes.fromhex("0a000002 0a000001 9c40 0050")
    low, high = bytes(range(16)), bytes(range(16, 32))
    assert abi.flow(abi.KEY.pack(low, high, b"\x00\x50", b"\x9c\x40", 6), 1) == high + low + b"\x9c\x40\x00\x50"

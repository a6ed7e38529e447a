"""An OTLP receiver over gRPC for tests: OpenTelemetry's own services and messages on grpcio's server; can be killed.

``python tests/otlp_receiver.py PORT FILE CERTIFICATE``: each request becomes a line of JSON in FILE before it is answered. The
answer is an empty response, or what ``FILE.answers`` says: its n-th line is ``[code, message, seconds]`` for the n-th request,
``seconds`` being those of a RetryInfo, or null. Code 0 is a partial success that refuses one item; at code -1 it kills itself.
"""

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from tests.server_process import ServerProcess

DIES = (-1, "", None)
Told = tuple[int, str, float | None]

REQUESTS: dict[str, Any] = {
    "traces": trace_service_pb2.ExportTraceServiceRequest,
    "logs": logs_service_pb2.ExportLogsServiceRequest,
    "metrics": metrics_service_pb2.ExportMetricsServiceRequest,
}
"""What a request of each signal is."""


def items(signal_name: str, body: bytes) -> Iterator[tuple[dict[str, Any], Any]]:
    """Resource attributes and item (span, log record, metric) of a request, parsed by OpenTelemetry's own classes."""
    request = REQUESTS[signal_name].FromString(body)
    names = {"traces": ("resource_spans", "scope_spans", "spans"), "logs": ("resource_logs", "scope_logs", "log_records")}
    of_resource, of_scope, of_item = names.get(signal_name, ("resource_metrics", "scope_metrics", "metrics"))
    for resource in getattr(request, of_resource):
        for scope in getattr(resource, of_scope):
            assert scope.scope.name == "httpipe"
            for item in getattr(scope, of_item):
                yield attributes(resource.resource.attributes), item


def attributes(pairs: Any) -> dict[str, Any]:
    """Attributes as a mapping; each name only once, as OTLP wants it."""
    found = {pair.key: value(pair.value) for pair in pairs}
    assert len(found) == len(pairs)
    return found


def value(any_value: Any) -> Any:
    """What an AnyValue holds."""
    kind = any_value.WhichOneof("value")
    return [value(each) for each in any_value.array_value.values] if kind == "array_value" else getattr(any_value, kind)


class OtlpReceiver(ServerProcess):
    """``start`` and ``kill`` it as often as you like: it has the same port and the same file each time.

    With a certificate (PEM, with its key) it speaks TLS.
    """

    def __init__(self, folder: Path, *, certificate: str = "") -> None:
        super().__init__()
        self.file = folder / "received.jsonl"
        self.certificate = certificate

    @property
    def base(self) -> str:
        """Its address."""
        return f"http{'s' if self.certificate else ''}://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns when it listens."""
        command = [sys.executable, __file__, str(self.port), str(self.file), self.certificate]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"listening\n"

    def answer(self, *answers: Told) -> None:
        """To the first requests; yes afterwards."""
        Path(f"{self.file}.answers").write_text("".join(f"{json.dumps(answer)}\n" for answer in answers))

    def requests(self) -> list[dict[str, Any]]:
        """What arrived: signal, body (bytes), metadata, code (of the answer)."""
        if not self.file.exists():
            return []
        found = [json.loads(line) for line in self.file.read_text().splitlines(keepends=True) if line.endswith("\n")]
        return [each | {"body": base64.b64decode(each["body"])} for each in found]

    def taken(self) -> list[tuple[dict[str, Any], Any]]:
        """The items of each request that was answered with success, or died over after it was kept."""
        return [item for each in self.requests() if each["code"] <= 0 for item in items(each["signal"], each["body"])]


def main(port: int, file: Path, certificate: str) -> None:
    """Serve until killed."""
    lock = Lock()
    answers = Path(f"{file}.answers")
    count = len(file.read_text().splitlines()) if file.exists() else 0

    def keep(signal_name: str, body: bytes, context: grpc.ServicerContext) -> Told | None:
        nonlocal count
        with lock, file.open("a") as out:
            told = answers.read_text().splitlines()[count:] if answers.exists() else []
            count += 1
            answer = json.loads(told[0]) if told else None
            metadata = {key: text for key, text in context.invocation_metadata() if isinstance(text, str)}
            code = 0 if answer is None else answer[0]
            line = {"signal": signal_name, "body": base64.b64encode(body).decode(), "metadata": metadata, "code": code}
            out.write(json.dumps(line) + "\n")
        if code == -1:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    def serving(signal_name: str, response: Any, refused: str) -> Callable[[Any, Any, grpc.ServicerContext], Any]:
        def export(_self: Any, request: Any, context: grpc.ServicerContext) -> Any:
            answer = keep(signal_name, request.SerializeToString(), context)
            if answer is None:
                return response()
            code, message, seconds = answer
            if code == 0:
                return response(partial_success={refused: 1, "error_message": message})
            context.set_code(next(each for each in grpc.StatusCode if each.value[0] == code))
            context.set_details(message)
            if seconds is not None:
                context.set_trailing_metadata((("grpc-status-details-bin", _status(seconds)),))
            return response()

        return export

    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", 64 << 20)])
    for signal_name, messages, services, refused in (
        ("traces", trace_service_pb2, trace_service_pb2_grpc, "rejected_spans"),
        ("logs", logs_service_pb2, logs_service_pb2_grpc, "rejected_log_records"),
        ("metrics", metrics_service_pb2, metrics_service_pb2_grpc, "rejected_data_points"),
    ):
        name = {"traces": "Trace", "logs": "Logs", "metrics": "Metrics"}[signal_name]
        response = getattr(messages, f"Export{name}ServiceResponse")
        servicer = type(name, (getattr(services, f"{name}ServiceServicer"),), {"Export": serving(signal_name, response, refused)})
        getattr(services, f"add_{name}ServiceServicer_to_server")(servicer(), server)
    assert _bound(server, port, certificate) == port
    server.start()
    print("listening", flush=True)  # noqa: T201
    server.wait_for_termination()


def _bound(server: grpc.Server, port: int, certificate: str) -> int:
    if not certificate:
        return int(server.add_insecure_port(f"127.0.0.1:{port}"))
    pem = Path(certificate).read_bytes()
    return int(server.add_secure_port(f"127.0.0.1:{port}", grpc.ssl_server_credentials([(pem, pem)])))


def _status(seconds: float) -> bytes:
    """A google.rpc.Status whose only detail is a RetryInfo, of messages that Protobuf's own library makes."""
    duration = Duration()
    duration.FromNanoseconds(round(seconds * 1e9))
    delay = duration.SerializeToString()
    detail = AnyMessage(type_url="type.googleapis.com/google.rpc.RetryInfo", value=b"\x0a" + bytes([len(delay)]) + delay)
    wrapped = detail.SerializeToString()
    return b"\x08\x08\x1a" + bytes([len(wrapped)]) + wrapped


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])

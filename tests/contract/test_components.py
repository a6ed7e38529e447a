"""Our own components run through the contracts that plugins of others are run through."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from pipeline.api import Context, Sink, Transform
from pipeline.codecs.registry import codec
from pipeline.runtime.units.files import FileReader
from pipeline.testing.contract import ordinary_events
from pipeline.testing.sink_contract import sink_contract
from pipeline.testing.source_contract import source_contract
from pipeline.testing.transform_contract import transform_contract

CAPTURE = Path(__file__).parents[1] / "replay" / "captures" / "curl-nginx-any.pcap"


def made(path: str, options: Mapping[str, Any]) -> Any:
    """The component of an entry point, with its options checked as in a pipeline file."""
    module, _, name = path.partition(":")
    component = getattr(import_module(module), name)
    return component(
        component.Config.model_validate(dict(options)),
        Context("contract", read_file=FileReader().read, map_file=FileReader().map),
    )


def transform(path: str, **options: Any) -> type:
    """The contract of one of our transforms."""

    def make() -> Transform:
        transform: Transform = made(f"pipeline.transforms.{path}", options)
        return transform

    return transform_contract(make)


TestFilter = transform("filter:Filter", where="status >= 500")
TestRoute = transform("route:Route", routes={"errors": "status >= 500", "all": "port == 80"})
TestExclusiveRoute = transform("route:Route", routes={"errors": "status >= 500", "rest": "port == 80"}, exclusive=True)
TestSet = transform("set:Set", values={"my.slow": "duration_ms > 10"}, texts={"my.text": "{{server.address}}{{url.path}}"})
TestRemove = transform("remove:Remove", fields=("url.query", "http.request.header"))
TestRename = transform("rename:Rename", fields={"user_agent.original": "my.agent"})
TestRedact = transform("redact:Redact", headers=("x-odd",), query=("a",), regexes=("[0-9]{4}",))
TestTemplatePath = transform("template_path:TemplatePath", rules=("/items/{id}",))
TestSample = transform("sample:Sample", ratio=0.3, seed=1)
TestThrottle = transform("throttle:Throttle", threshold=10, key="server.address")
TestDedupe = transform("dedupe:Dedupe", key="url.path")
TestAggregate = transform("aggregate:Aggregate", by=("server.address", "http.response.status_code"))
TestWindow = transform("window:Window", where="status >= 500", before_events=2, after_events=1)
TestTrace = transform("trace:Trace")
TestLimit = transform("limit:Limit")
TestKubernetes = transform("kubernetes:Kubernetes")
TestWaitingKubernetes = transform("kubernetes:Kubernetes", wait_secs=60)
TestContainers = transform("containers:Containers")
TestGeoip = transform("geoip:Geoip", files=(str(Path(__file__).parents[2] / "examples" / "transforms" / "places.mmdb"),))
TestMatchList = transform("match_list:MatchList", entries=("example.com",))


def file_sink(folder: Path) -> Sink:
    """JSON lines in a file."""
    sink: Sink = made("pipeline.sinks.file.sink:FileSink", {"path": f"{folder}/sub/out.jsonl"})
    return sink


def numbers_in_file(folder: Path) -> list[int]:
    """What is in that file."""
    lines = (folder / "sub" / "out.jsonl").read_text().splitlines()
    return [json.loads(line)["httpipe.sequence"] for line in lines]


@asynccontextmanager
async def no_folder(folder: Path) -> AsyncIterator[None]:
    """Where the folder should be there is a file: the sink cannot open, whoever runs this."""
    (folder / "sub").write_text("in the way")
    yield
    (folder / "sub").unlink()


def har_sink(folder: Path) -> Sink:
    """An HTTP Archive."""
    sink: Sink = made("pipeline.sinks.har.sink:HarSink", {"path": f"{folder}/sub/out.har"})
    return sink


def pcapng_sink(folder: Path) -> Sink:
    """Packets of connections, of which none is kept."""
    sink: Sink = made("pipeline.sinks.pcapng.sink:PcapngSink", {"path": f"{folder}/sub/out.pcapng"})
    return sink


def null_sink(_folder: Path) -> Sink:
    """Nothing."""
    sink: Sink = made("pipeline.sinks.null:NullSink", {})
    return sink


TestFileSink = sink_contract(file_sink, received=numbers_in_file, down=no_folder)
TestHarSink = sink_contract(har_sink, down=no_folder)
TestPcapngSink = sink_contract(pcapng_sink, down=no_folder)
TestNullSink = sink_contract(null_sink)

TestPcapSource = source_contract(lambda _: made("pipeline.sources.pcap.source:PcapSource", {"path": str(CAPTURE)}))


def recorded_events(folder: Path) -> None:
    """A file as a file sink writes it."""
    (folder / "in.jsonl").write_bytes(codec("json").encode_batch(ordinary_events(0, 1000)))


TestReplaySource = source_contract(
    lambda folder: made("pipeline.sources.replay.source:ReplaySource", {"path": f"{folder}/in.jsonl"}), prepare=recorded_events
)

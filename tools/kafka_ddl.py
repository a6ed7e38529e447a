"""Writes the table definitions in docs/kafka.md from the field table: ClickHouse, Flink SQL, Spark.

``python -m tools.kafka_ddl``. A test compares what it would write with what is there.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.codecs.schema import Dialect, columns
from pipeline.model.events.exchange import EXCHANGE

PAGE = Path(__file__).resolve().parents[1] / "docs" / "kafka.md"

_BLOCK = re.compile(r"(<!-- made by tools\.kafka_ddl: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def listed(dialect: Dialect) -> str:
    """One column a line."""
    return ",\n".join(f"  {name} {type_}" for name, type_ in columns(EXCHANGE, dialect))


def clickhouse() -> str:
    """A table that reads the topic, one that keeps, and what carries from the first to the second."""
    return f"""CREATE TABLE http_exchanges_topic (
{listed("clickhouse")}
) ENGINE = Kafka
SETTINGS kafka_broker_list = 'localhost:9092', kafka_topic_list = 'http-exchanges', kafka_group_name = 'clickhouse',
  kafka_format = 'JSONEachRow', date_time_input_format = 'best_effort', input_format_skip_unknown_fields = 1;

CREATE TABLE http_exchanges (
{listed("clickhouse")}
) ENGINE = MergeTree
PARTITION BY toDate(`timestamp`) ORDER BY `timestamp`;

CREATE MATERIALIZED VIEW http_exchanges_reader TO http_exchanges AS SELECT * FROM http_exchanges_topic;"""  # noqa: S608  made of the field table, for a page


def flink() -> str:
    """A table over the topic, with event time."""
    return f"""CREATE TABLE http_exchanges (
{listed("flink")},
  WATERMARK FOR `timestamp` AS `timestamp` - INTERVAL '30' SECOND
) WITH (
  'connector' = 'kafka',
  'topic' = 'http-exchanges',
  'properties.bootstrap.servers' = 'localhost:9092',
  'properties.group.id' = 'flink',
  'scan.startup.mode' = 'group-offsets',
  'properties.auto.offset.reset' = 'earliest',
  'format' = 'json',
  'json.timestamp-format.standard' = 'ISO-8601',
  'json.ignore-parse-errors' = 'true'
);"""


def spark() -> str:
    """A streaming data frame."""
    return f'''SCHEMA = """
{listed("spark")}
"""

exchanges = (
    spark.readStream.format("kafka")
    .option("kafka.bootstrap.servers", "localhost:9092")
    .option("subscribe", "http-exchanges")
    .option("startingOffsets", "earliest")
    .load()
    .selectExpr(f"from_json(CAST(value AS STRING), '{{SCHEMA}}') AS exchange")
    .select("exchange.*")
)'''


DIALECTS: Mapping[str, tuple[str, Callable[[], str]]] = {
    "clickhouse": ("sql", clickhouse),
    "flink": ("sql", flink),
    "spark": ("py", spark),
}


def page(text: str) -> str:
    """The page with fresh definitions."""

    def fresh(found: re.Match[str]) -> str:
        language, make = DIALECTS[found[2]]
        return f"{found[1]}```{language}\n{make()}\n```\n{found[3]}"

    return _BLOCK.sub(fresh, text)


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(PAGE.read_text()))


if __name__ == "__main__":
    main()

"""The test kit for plugins: contracts that a component is held against, and events to try it with.

``pip install httpipe[testing]`` brings pytest, which the contracts are written for; the pipeline itself never imports this.
"""

from pipeline.testing.contract import odd_events, ordinary_events
from pipeline.testing.sink_contract import sink_contract
from pipeline.testing.source_contract import source_contract
from pipeline.testing.transform_contract import transform_contract
from pipeline.testing.transforms import check_contract

__all__ = ["check_contract", "odd_events", "ordinary_events", "sink_contract", "source_contract", "transform_contract"]

"""Runs a plan: builds the graph, starts and stops it in order, listens to signals, reloads."""

from pipeline.runtime.options import RunOptions
from pipeline.runtime.run import run
from pipeline.runtime.status import ComponentStatus, Status
from pipeline.runtime.summary import Outcome, Summary

__all__ = ["ComponentStatus", "Outcome", "RunOptions", "Status", "Summary", "run"]

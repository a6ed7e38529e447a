"""httpipe: the HTTP traffic of a Linux host as a stream of events. Plugin authors import ``pipeline.api``."""

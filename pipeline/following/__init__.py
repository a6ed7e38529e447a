"""Following what a server tells, in the background of events: ``loop`` asks again where it fails."""

"""The firewall: programs at TC that refuse requests by lists of URLs, and their decisions as events."""

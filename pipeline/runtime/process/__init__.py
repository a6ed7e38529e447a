"""The process around a run: its signals, its privileges, who holds up its loop, and what it reports to systemd and scripts."""

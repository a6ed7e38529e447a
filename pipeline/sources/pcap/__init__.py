"""Capture files and pipes (pcap, pcapng) → records."""

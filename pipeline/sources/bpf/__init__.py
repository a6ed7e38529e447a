"""The live source: a BPF program on packet sockets, its records through a ring buffer, as segments for the decoder."""

"""The live source of HTTPS: probes on TLS libraries, plain text through a ring buffer, as chunks for the decoder."""

"""What the sources that read files and pipes have in common: reading without blocking, decompression, pace."""

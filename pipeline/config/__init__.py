"""pipeline.toml: from the file to a checked tree. Reads one file, opens nothing else, reports every problem at once."""

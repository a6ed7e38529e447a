"""Where records and events come from. No source imports another, nor any other island."""

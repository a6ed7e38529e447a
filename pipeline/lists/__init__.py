"""Lists of URLs: entries as people write them, paths as servers read them, one verdict however long the list. Pure."""

"""Lists of URLs: entries as people write them, paths as servers read them; one verdict, by Python and by the kernel. Pure."""

//go:build withc

package main

// static int one(void) { return 1; }
import "C"

// C code in the program moves where Go's begins.
var _ = C.one()

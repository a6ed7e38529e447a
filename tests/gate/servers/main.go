// Go's own server: the secret below /admin, the sum of what is sent to /sum. One argument: the address.
package main

import (
	"fmt"
	"hash/crc64"
	"io"
	"log"
	"net"
	"net/http"
	"os"
)

func main() {
	answer := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			io.WriteString(w, text)
		}
	}
	http.HandleFunc("/admin/", answer("SECRET\n"))
	http.HandleFunc("/", answer("hello\n"))
	http.HandleFunc("/sum", func(w http.ResponseWriter, r *http.Request) {
		hash := crc64.New(crc64.MakeTable(crc64.ECMA))
		n, err := io.Copy(hash, r.Body)
		fmt.Fprintf(w, "%d %x %v", n, hash.Sum64(), err)
	})
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.Serve(listener, nil))
}

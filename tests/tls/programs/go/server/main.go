// HTTPS server in Go: PORT CERTIFICATE
package main

import (
	"crypto/tls"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("/", func(writer http.ResponseWriter, request *http.Request) {
		_, port, _ := net.SplitHostPort(request.RemoteAddr)
		fmt.Fprintf(writer, "peer=%s uri=%s end", port, request.RequestURI)
	})
	server := &http.Server{
		Addr:         "127.0.0.1:" + os.Args[1],
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}, // HTTP/1.1
	}
	log.Fatal(server.ListenAndServeTLS(os.Args[2], os.Args[2]))
}

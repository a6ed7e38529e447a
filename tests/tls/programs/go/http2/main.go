// HTTP/2 in Go. A client, all requests of a connection at once: PORT CONNECTIONS REQUESTS. A server: PORT CERTIFICATE
package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
)

func serve() {
	http.HandleFunc("/", func(writer http.ResponseWriter, request *http.Request) {
		_, port, _ := net.SplitHostPort(request.RemoteAddr)
		fmt.Fprintf(writer, "peer=%s uri=%s end", port, request.RequestURI)
	})
	log.Fatal(http.ListenAndServeTLS("127.0.0.1:"+os.Args[1], os.Args[2], os.Args[2], nil))
}

func one(client *http.Client, path string) {
	response, err := client.Get("https://127.0.0.1:" + os.Args[1] + path)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.ProtoMajor != 2 || !strings.HasSuffix(string(body), " uri="+path+" end") {
		log.Fatal(path, response.Proto, string(body), err)
	}
}

func main() {
	if len(os.Args) == 3 {
		serve()
	}
	connections, _ := strconv.Atoi(os.Args[2])
	requests, _ := strconv.Atoi(os.Args[3])
	var group sync.WaitGroup
	for i := 0; i < connections; i++ {
		config := &tls.Config{InsecureSkipVerify: true}
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}}
		one(client, fmt.Sprintf("/http2/%d-0", i)) // so that there is one connection
		for k := 1; k < requests; k++ {
			group.Add(1)
			go func(path string) {
				defer group.Done()
				one(client, path)
			}(fmt.Sprintf("/http2/%d-%d", i, k))
		}
	}
	group.Wait()
	fmt.Println("done")
}

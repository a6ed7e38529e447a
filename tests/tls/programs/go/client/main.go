// HTTPS client in Go: PORT CONNECTIONS REQUESTS
package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
)

func one(port string, number int, requests int) {
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		MaxConnsPerHost: 1,
		TLSNextProto:    map[string]func(string, *tls.Conn) http.RoundTripper{}, // HTTP/1.1
	}
	client := &http.Client{Transport: transport}
	for k := 0; k < requests; k++ {
		path := fmt.Sprintf("/go/%d-%d", number, k)
		response, err := client.Get("https://127.0.0.1:" + port + path)
		if err != nil {
			log.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil || !strings.HasSuffix(string(body), " uri="+path+" end") {
			log.Fatal(path, string(body), err)
		}
		response.Body.Close()
	}
	transport.CloseIdleConnections()
}

func main() {
	connections, _ := strconv.Atoi(os.Args[2])
	requests, _ := strconv.Atoi(os.Args[3])
	var group sync.WaitGroup
	for i := 0; i < connections; i++ {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			one(os.Args[1], i, requests)
		}(i)
	}
	group.Wait()
	fmt.Println("done")
}

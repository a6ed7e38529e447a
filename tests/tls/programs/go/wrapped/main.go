// HTTPS client in Go whose TLS connections lie on connections of its own kinds: PORT CONNECTIONS REQUESTS
//
// Each kind keeps something where a *net.TCPConn would keep its descriptor, a number that other sockets of this program have.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
)

type embedded struct{ net.Conn }

type buffered struct {
	reader *bufio.Reader // its capacity stands where the descriptor would
	net.Conn
}

func (c *buffered) Read(to []byte) (int, error) { return c.reader.Read(to) }

type counting struct {
	seen *bytes.Buffer // so does this one's
	net.Conn
}

func dial(kind int) func(context.Context, string, string) (net.Conn, error) {
	return func(_ context.Context, network, address string) (net.Conn, error) {
		conn, err := net.Dial(network, address)
		if err != nil {
			return nil, err
		}
		switch kind % 3 {
		case 0:
			conn = &embedded{conn}
		case 1:
			conn = &buffered{bufio.NewReaderSize(conn, 64), conn}
		case 2:
			conn = &counting{bytes.NewBuffer(make([]byte, 0, 64)), conn}
		}
		secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
		return secure, secure.Handshake()
	}
}

func main() {
	connections, _ := strconv.Atoi(os.Args[2])
	requests, _ := strconv.Atoi(os.Args[3])
	// Every number up to 100 is a socket to the same server.
	for i := 0; i < 100; i++ {
		idle, err := net.Dial("tcp", "127.0.0.1:"+os.Args[1])
		if err != nil {
			log.Fatal(err)
		}
		defer idle.Close()
	}
	for i := 0; i < connections; i++ {
		transport := &http.Transport{DialTLSContext: dial(i), MaxConnsPerHost: 1}
		client := &http.Client{Transport: transport}
		for k := 0; k < requests; k++ {
			response, err := client.Get(fmt.Sprintf("https://127.0.0.1:%s/wrapped/%d-%d", os.Args[1], i, k))
			if err != nil {
				log.Fatal(err)
			}
			io.Copy(io.Discard, response.Body)
			response.Body.Close()
		}
		transport.CloseIdleConnections()
	}
	fmt.Println("done")
}

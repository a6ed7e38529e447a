// A handshake of quic-go with itself: quic-go CASE ADDRESS CERTIFICATE KEY. CASE is the version, or retry, or alpn (which fails).
package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/quic-go/quic-go"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func main() {
	kind, address := os.Args[1], os.Args[2]
	certificate := must(tls.LoadX509KeyPair(os.Args[3], os.Args[4]))
	version, protocol := quic.Version1, "h3"
	if kind == "2" {
		version = quic.Version2
	}
	if kind == "alpn" {
		protocol = "nope"
	}
	transport := &quic.Transport{Conn: must(net.ListenPacket("udp4", address))}
	if kind == "retry" {
		transport.VerifySourceAddress = func(net.Addr) bool { return true }
	}
	versions := &quic.Config{Versions: []quic.Version{version}}
	server := &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h3"}}
	listener := must(transport.Listen(server, versions))
	go func() {
		for {
			if _, err := listener.Accept(context.Background()); err != nil {
				return
			}
		}
	}()
	wait, done := context.WithTimeout(context.Background(), 3*time.Second)
	defer done()
	client := &tls.Config{InsecureSkipVerify: true, ServerName: "server.example", NextProtos: []string{protocol}}
	connection, err := quic.DialAddr(wait, address, client, versions)
	fmt.Println(err)
	if err == nil {
		_ = connection.CloseWithError(0, "")
	}
	time.Sleep(200 * time.Millisecond)
}

// Calls of Go's gRPC, or HTTP/2 of Go's servers in clear, on one port: what was asked and answered is printed as JSON lines.
//
//	calls grpc ADDRESS   both ends: every kind of call, failures, deadlines, cancelled calls, compression
//	calls h2c ADDRESS    a server until its standard input ends; it takes upgrades (RFC 7540, section 3.2) and prior knowledge
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/h2c"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

var (
	lock sync.Mutex
	out  = json.NewEncoder(os.Stdout)
)

func say(facts map[string]any) {
	lock.Lock()
	defer lock.Unlock()
	if err := out.Encode(facts); err != nil {
		panic(err)
	}
}

// raw takes messages as they are.
type raw struct{}

func (raw) Marshal(v any) ([]byte, error)      { return *v.(*[]byte), nil }
func (raw) Unmarshal(data []byte, v any) error { *v.(*[]byte) = append([]byte(nil), data...); return nil }
func (raw) Name() string                       { return "raw" }

// serve echoes what it gets; the name of the method says how often, and what fails.
func serve(_ any, stream grpc.ServerStream) error {
	name, _ := grpc.MethodFromServerStream(stream)
	method := name[strings.LastIndex(name, "/")+1:]
	if method == "Refused" {
		return status.Error(codes.PermissionDenied, "not für you ✗")
	}
	stream.SetTrailer(metadata.Pairs("x-trailer", method))
	for {
		var message []byte
		err := stream.RecvMsg(&message)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		switch method {
		case "Slow":
			<-stream.Context().Done()
			return stream.Context().Err()
		case "Unary", "Bidi", "Gzip", "Cancel", "Metadata":
			if err := stream.SendMsg(&message); err != nil {
				return err
			}
		case "Server":
			for range 4 {
				if err := stream.SendMsg(&message); err != nil {
					return err
				}
			}
		case "Broken":
			if err := stream.SendMsg(&message); err != nil {
				return err
			}
			return status.Error(codes.DataLoss, "in the middle")
		}
	}
	if method == "Client" {
		message := []byte("all of them")
		return stream.SendMsg(&message)
	}
	return nil
}

func call(connection *grpc.ClientConn, method string, wait time.Duration, sizes []int, cancel bool, options ...grpc.CallOption) {
	ctx, done := context.WithTimeout(metadata.AppendToOutgoingContext(context.Background(), "x-id", method), wait)
	defer done()
	if method == "Metadata" {
		ctx = metadata.AppendToOutgoingContext(ctx, "x-long", strings.Repeat("long ", 4000), "x-bytes-bin", "\x00\x01\xff")
	}
	stream, err := connection.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/test.Echo/"+method, options...)
	if err != nil {
		panic(err)
	}
	asked, answered := []int{}, []int{}
	for _, size := range sizes {
		message := make([]byte, size)
		if err = stream.SendMsg(&message); err != nil {
			break
		}
		asked = append(asked, size)
		if method == "Bidi" || method == "Cancel" {
			var answer []byte
			if err := stream.RecvMsg(&answer); err != nil {
				break
			}
			answered = append(answered, len(answer))
		}
	}
	if cancel {
		done()
	} else if err := stream.CloseSend(); err != nil {
		panic(err)
	}
	for {
		var answer []byte
		if err = stream.RecvMsg(&answer); err != nil {
			break
		}
		answered = append(answered, len(answer))
	}
	code := codes.OK
	if !errors.Is(err, io.EOF) {
		code = status.Code(err)
	}
	facts := map[string]any{"method": "POST", "path": "/test.Echo/" + method, "asked": asked, "answered": answered, "code": int(code)}
	if cancel || method == "Slow" {
		facts["code"], facts["error"] = nil, "CANCEL"
	}
	say(facts)
}

func calls(address string) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		panic(err)
	}
	server := grpc.NewServer(grpc.ForceServerCodec(raw{}), grpc.UnknownServiceHandler(serve))
	go func() { _ = server.Serve(listener) }()
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{})))
	if err != nil {
		panic(err)
	}
	long := 10 * time.Second
	for round := range 3 {
		size := 10 + 100*round
		call(connection, "Unary", long, []int{size}, false)
		call(connection, "Server", long, []int{size}, false)
		call(connection, "Client", long, []int{size, 0, 70000}, false)
		call(connection, "Bidi", long, []int{size, 20000, 1}, false)
		call(connection, "Refused", long, []int{}, false)
		call(connection, "Broken", long, []int{size}, false)
		call(connection, "Metadata", long, []int{size}, false)
		call(connection, "Cancel", long, []int{size, size}, true)
		call(connection, "Slow", 50*time.Millisecond, []int{size}, false)
		call(connection, "Gzip", long, []int{5000}, false, grpc.UseCompressor(gzip.Name))
	}
	_ = connection.Close()
	server.GracefulStop()
}

func h2cServer(address string) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		size, _ := io.Copy(io.Discard, r.Body)
		body := fmt.Sprintf("%s %s\n", r.Proto, r.URL.Path)
		w.Header().Set("x-n", "go")
		if r.URL.Path == "/trailers" {
			w.Header().Set("Trailer", "x-sum")
			defer w.Header().Set("x-sum", "7")
		}
		if r.URL.Path == "/missing" {
			w.WriteHeader(http.StatusNotFound)
		}
		answered, _ := w.Write([]byte(strings.Repeat(body, 1+len(r.URL.Query().Get("times")))))
		say(map[string]any{"method": r.Method, "path": r.URL.Path, "status": map[bool]int{true: 404, false: 200}[r.URL.Path == "/missing"],
			"request": size, "response": answered, "agent": r.UserAgent(), "version": map[int]string{1: "1.1", 2: "2"}[r.ProtoMajor]})
	})
	listener, err := net.Listen("tcp", address)
	if err != nil {
		panic(err)
	}
	go func() { _ = http.Serve(listener, h2c.NewHandler(handler, &http2.Server{})) }()
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func main() {
	if os.Args[1] == "grpc" {
		calls(os.Args[2])
	} else {
		h2cServer(os.Args[2])
	}
}

// Asks as the others do. A line for each request: what came, milliseconds.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

func main() {
	client := http.Client{Timeout: 6 * time.Second}
	for _, ask := range [][2]string{{"/ok", ""}, {"/admin/x", ""}, {"/admin/x", strings.Repeat("x", 300000)}, {"/ok", ""}} {
		method := "GET"
		if ask[1] != "" {
			method = "POST"
		}
		start := time.Now()
		request, _ := http.NewRequest(method, os.Args[1]+ask[0], strings.NewReader(ask[1]))
		came := "reset"
		response, err := client.Do(request)
		if err == nil {
			io.Copy(io.Discard, response.Body)
			response.Body.Close()
			came = fmt.Sprint(response.StatusCode)
		} else if timeout, is := err.(net.Error); is && timeout.Timeout() {
			came = "hang"
		}
		fmt.Println(came, time.Since(start).Milliseconds())
	}
}

// Go's server (port 8007) and client for the replay corpus: early hints, a streamed answer, a posted form, a redirect, an error.
// "go run . serve" serves; "go run ." is the client and prints what it got, one JSON line for each exchange.
package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

func serve() {
	http.HandleFunc("/hints", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</app.js>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusProcessing)
		fmt.Fprintln(w, "done")
	})
	http.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < 10; i++ {
			fmt.Fprintf(w, "line %d %s\n", i, strings.Repeat("=", 3000))
			w.(http.Flusher).Flush()
		}
	})
	http.HandleFunc("/upload", func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintf(w, "%d bytes\n", n)
	})
	http.Handle("/old", http.RedirectHandler("/upload", http.StatusPermanentRedirect))
	http.HandleFunc("/broken", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "it broke", http.StatusBadGateway)
	})
	fmt.Println("ready")
	panic(http.ListenAndServe("127.0.0.1:8007", nil))
}

// seen reports what went over the wire, redirects as exchanges of their own.
type seen struct{ next http.RoundTripper }

func (s seen) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := s.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	answer.Body = io.NopCloser(bytes.NewReader(body))
	fmt.Printf("{\"method\": %q, \"target\": %q, \"status\": %d, \"request\": %d, \"response\": %d}\n",
		r.Method, r.URL.RequestURI(), answer.StatusCode, max(r.ContentLength, 0), len(body))
	return answer, err
}

func main() {
	if len(os.Args) > 1 {
		serve()
	}
	client := &http.Client{Transport: seen{&http.Transport{DisableCompression: true}}}
	base := "http://127.0.0.1:8007"
	for _, path := range []string{"/hints", "/stream", "/broken", "/nowhere?q=1"} {
		if answer, err := client.Get(base + path); err == nil {
			answer.Body.Close()
		}
	}
	for _, path := range []string{"/upload", "/old"} {
		if answer, err := client.Post(base+path, "application/octet-stream", bytes.NewReader(make([]byte, 50000))); err == nil {
			answer.Body.Close()
		}
	}
	if answer, err := client.Head(base + "/stream"); err == nil {
		answer.Body.Close()
	}
}

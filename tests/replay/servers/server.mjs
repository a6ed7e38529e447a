// Node's server for the replay corpus: chunked answers with trailers, early hints, an echo of what was posted. Port 8006.
import { createServer } from "node:http";

const server = createServer((request, response) => {
  if (request.url === "/hints") {
    response.writeEarlyHints({ link: "</style.css>; rel=preload; as=style" });
    setTimeout(() => response.end("<p>hinted</p>\n"), 20);
    return;
  }
  if (request.url === "/trailers") {
    response.writeHead(200, { trailer: "x-checksum", "transfer-encoding": "chunked" });
    for (let i = 0; i < 5; i++) response.write(`part ${i}\n`.repeat(10));
    response.addTrailers({ "x-checksum": "12345" });
    response.end();
    return;
  }
  response.writeHead(request.method === "POST" ? 201 : 200, { "content-type": "application/octet-stream" });
  request.pipe(response);
});
server.listen(8006, "127.0.0.1", () => console.log("ready"));

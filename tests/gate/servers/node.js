// Answers with the secret below /admin, as a program that resolves paths does; echoes what follows an upgrade.
const http = require("http"), path = require("path");
const server = http.createServer((request, response) => {
  let where = "/";
  try {
    where = path.posix.normalize(decodeURIComponent(request.url.replace(/^[a-z]+:\/\/[^/]*/i, "").split("?")[0]));
  } catch (error) {
    where = "/";
  }
  request.on("data", () => {});
  request.on("end", () => response.end(where.startsWith("/admin") ? "SECRET\n" : "hello\n"));
});
server.on("upgrade", (request, socket) => {
  socket.on("error", () => {});
  if (request.headers.upgrade !== "websocket" || request.url !== "/chat") {
    return socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 6\r\n\r\nhello\n");
  }
  socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
  socket.on("data", (data) => socket.write(data));
});
server.listen(Number(process.argv[2]), "::");

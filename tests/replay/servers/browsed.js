// A server of HTTP/2 over TLS for a browser: node browsed.js PORT CERTIFICATE KEY. A page with pictures, an upload, and a WebSocket
// (RFC 8441). What was asked and answered is printed as JSON lines.
const fs = require('fs'), http2 = require('http2');
const [port, cert, key] = process.argv.slice(2);
const pictures = [...Array(15).keys()].map(i => `<img src="/i${i}.png?x=${i}">`).join('');
const script = 'fetch("/post", {method: "POST", body: "x".repeat(5000)}); const w = new WebSocket("wss://" + location.host + "/ws");' +
  'w.onopen = () => w.send("hello")';
const page = `<html><body>${pictures}<script>${script}</script></body></html>`;
const say = (headers, status, request, response) => console.log(JSON.stringify(
  {method: headers[':method'], path: headers[':path'].split('?')[0], status, request, response, agent: headers['user-agent']}));
const server = http2.createSecureServer({key: fs.readFileSync(key), cert: fs.readFileSync(cert), settings: {enableConnectProtocol: true}});
server.on('stream', (stream, headers) => {
  stream.on('error', () => {});
  if (headers[':method'] === 'CONNECT') {
    stream.respond({':status': 200});
    stream.write(Buffer.from([0x81, 2, 0x68, 0x69]));
    stream.resume();
    say(headers, 200, 0, 0);
    setTimeout(() => stream.end(Buffer.from([0x88, 2, 3, 0xe8])), 300);
    return;
  }
  let size = 0;
  stream.on('data', data => size += data.length);
  stream.on('end', () => {
    const status = headers[':path'].startsWith('/i') ? 404 : 200, body = headers[':path'] === '/' ? page : 'no such thing';
    stream.respond({':status': status, 'content-type': 'text/html', 'x-n': headers[':path']});
    stream.end(body);
    say(headers, status, size, body.length);
  });
});
server.listen(port, '127.0.0.1');

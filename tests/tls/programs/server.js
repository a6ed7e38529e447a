// HTTPS server on node: PORT CERTIFICATE
const https = require("https");
const both = require("fs").readFileSync(process.argv[3]);

https
  .createServer({ key: both, cert: both }, (request, response) => {
    response.end(`peer=${request.socket.remotePort} uri=${request.url} end`);
  })
  .listen(Number(process.argv[2]), "127.0.0.1");

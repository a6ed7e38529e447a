// HTTPS client on node: PORT CONNECTIONS REQUESTS
const https = require("https");
const [port, connections, requests] = process.argv.slice(2).map(Number);

function get(agent, path) {
  return new Promise((resolve, reject) => {
    const request = https.request({ host: "127.0.0.1", port, path, agent }, (response) => {
      const localPort = response.socket.localPort;
      let body = "";
      response.on("data", (data) => (body += data));
      response.on("end", () =>
        body === `peer=${localPort} uri=${path} end` ? resolve() : reject(new Error(`${path}: ${body}`)),
      );
    });
    request.on("error", reject);
    request.end();
  });
}

async function one(number) {
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false });
  for (let k = 0; k < requests; k++) await get(agent, `/node/${number}-${k}`);
  agent.destroy();
}

Promise.all([...Array(connections).keys()].map(one)).then(
  () => console.log("done"),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);

// Node's client for the replay corpus: one keep-alive connection, chunked uploads. Prints what it got, one JSON line each.
import { Agent, request } from "node:http";

const agent = new Agent({ keepAlive: true, maxSockets: 1 });

function exchange(method, path, parts = []) {
  return new Promise((resolve, reject) => {
    const r = request({ host: "127.0.0.1", port: 8006, agent, method, path }, (response) => {
      let size = 0;
      response.on("data", (data) => (size += data.length));
      response.on("end", () => resolve({ method, target: path, status: response.statusCode, response: size }));
    });
    r.on("error", reject);
    for (const part of parts) r.write(part);
    r.end();
  });
}

const steps = [
  ["GET", "/hints"],
  ["GET", "/trailers"],
  ["POST", "/echo?of=chunks", ["first\n", "second\n".repeat(300), "last"]],
  ["PUT", "/echo", ["x".repeat(20000)]],
  ["OPTIONS", "*"],
  ["GET", "/plain"],
];
for (const [method, path, parts] of steps) {
  const seen = await exchange(method, path, parts);
  seen.request = (parts ?? []).reduce((sum, part) => sum + part.length, 0);
  console.log(JSON.stringify(seen));
}
agent.destroy();

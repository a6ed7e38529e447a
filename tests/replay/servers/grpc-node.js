// Calls of node's gRPC, both ends: node grpc-node.js ADDRESS. What was asked and answered is printed as JSON lines.
const grpc = require('@grpc/grpc-js');
const raw = {requestSerialize: b => b, requestDeserialize: b => b, responseSerialize: b => b, responseDeserialize: b => b};
const of = (method, requestStream, responseStream) => ({path: '/test.Echo/' + method, requestStream, responseStream, ...raw});
const kinds = {
  Unary: of('Unary', false, false), Refused: of('Refused', false, false), Server: of('Server', false, true),
  Client: of('Client', true, false), Bidi: of('Bidi', true, true), Missing: of('Missing', false, false),
};
const {Missing, ...served} = kinds;
const server = new grpc.Server();
server.addService(served, {
  Unary: (call, answer) => answer(null, call.request),
  Refused: (call, answer) => answer({code: grpc.status.INVALID_ARGUMENT, details: 'no'}),
  Server: call => { for (let i = 0; i < 4; i++) call.write(call.request); call.end(); },
  Client: (call, answer) => { call.on('data', () => {}); call.on('end', () => answer(null, Buffer.from('all of them'))); },
  Bidi: call => { call.on('data', d => call.write(d)); call.on('end', () => call.end()); },
});
const say = (method, code, asked, answered) =>
  console.log(JSON.stringify({method: 'POST', path: '/test.Echo/' + method, code, asked, answered}));
const address = process.argv[2];
server.bindAsync(address, grpc.ServerCredentials.createInsecure(), async () => {
  const Client = grpc.makeGenericClientConstructor(kinds, 'Echo');
  const client = new Client(address, grpc.credentials.createInsecure());
  const one = (method, size) => new Promise(done => client[method](Buffer.alloc(size, 1), (error, data) => {
    say(method, error ? error.code : 0, [size], data ? [data.length] : []); done();
  }));
  const server_stream = size => new Promise(done => {
    const found = [], call = client.Server(Buffer.alloc(size, 1));
    call.on('data', d => found.push(d.length)); call.on('end', () => { say('Server', 0, [size], found); done(); });
  });
  const client_stream = sizes => new Promise(done => {
    const call = client.Client((error, data) => { say('Client', 0, sizes, [data.length]); done(); });
    for (const size of sizes) call.write(Buffer.alloc(size, 1));
    call.end();
  });
  const bidi = sizes => new Promise(done => {
    const found = [], call = client.Bidi();
    call.on('data', d => found.push(d.length)); call.on('end', () => { say('Bidi', 0, sizes, found); done(); });
    for (const size of sizes) call.write(Buffer.alloc(size, 1));
    call.end();
  });
  for (let round = 0; round < 3; round++) {
    const size = 10 + 90 * round;
    await Promise.all([one('Unary', size), one('Refused', size), one('Missing', size), server_stream(size)]);
    await Promise.all([client_stream([size, 0, 40000]), bidi([size, 30000, 1])]);
  }
  client.close();
  server.tryShutdown(() => process.exit());
});

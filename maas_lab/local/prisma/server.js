// The HTTP protocol of the query engine, as prisma-client-py 0.15 uses it:
//   POST /                                a query, or a batch; header X-transaction-id
//   POST /transaction/start               and /transaction/ID/commit, /transaction/ID/rollback
//   GET  /status                          200 when PostgreSQL answers, else 503
// Failed queries are answers with `errors` and status 200, as the native engine gives them.
'use strict';

const fs = require('fs');
const http = require('http');
const { Database } = require('./database');
const { Engine } = require('./engine');
const { facing } = require('./errors');

const PARENT_CHECK_MS = 500;
const LAST_WORDS_MS = 500; // for calls in flight when the engine is asked to end

function schemaText() {
  if (process.env.PRISMA_DML) return Buffer.from(process.env.PRISMA_DML, 'base64').toString();
  return fs.readFileSync(process.env.PRISMA_DML_PATH, 'utf8');
}

function databaseUrl() {
  const overwritten = JSON.parse(process.env.OVERWRITE_DATASOURCES || '[]').find((one) => one.url);
  return overwritten ? overwritten.url : process.env.DATABASE_URL;
}

async function body(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString() || '{}';
}

function send(response, status, content) {
  const text = JSON.stringify(content);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

async function status(database) {
  const why = await database.problem();
  return why ? [503, { status: 'unavailable', Errors: [{ error: why }] }] : [200, { status: 'ok' }];
}

async function post(engine, request) {
  const given = JSON.parse(await body(request));
  const within = request.headers['x-transaction-id'];
  if (request.url === '/transaction/start') return engine.start(given);
  const end = /^\/transaction\/([^/]+)\/(commit|rollback)$/.exec(request.url);
  if (end) return engine[end[2]](end[1]);
  if (!given.batch) return engine.query(given.query, within);
  const texts = given.batch.map(({ query }) => query);
  return engine.batch(texts, given.transaction, given.isolationLevel || null, within);
}

async function answer(engine, database, request) {
  if (request.method === 'POST') return [200, await post(engine, request)];
  return request.url === '/status' ? status(database) : [404, { error: `no ${request.url} here` }];
}

function handler(engine, database) {
  return async (request, response) => {
    try {
      send(response, ...(await answer(engine, database, request)));
    } catch (error) {
      console.error(`query-engine: ${error.stack}`);
      send(response, 200, { errors: [facing('P2010', error.message)] });
    }
  };
}

// PostgreSQL rolls back what is open when the connections close with this process.
function endWith(server) {
  const end = () => {
    server.close(() => process.exit(0));
    server.closeIdleConnections();
    setTimeout(() => process.exit(0), LAST_WORDS_MS).unref();
  };
  process.on('SIGINT', end);
  process.on('SIGTERM', end);
  const parent = process.ppid;
  setInterval(() => process.ppid !== parent && end(), PARENT_CHECK_MS).unref();
}

async function serve(port) {
  const database = new Database(databaseUrl());
  const engine = new Engine(schemaText(), database);
  await engine.connect();
  const server = http.createServer(handler(engine, database));
  server.keepAliveTimeout = 60_000;
  endWith(server);
  await new Promise((done, fail) => server.once('error', fail).listen(port, '127.0.0.1', done));
}

module.exports = { serve };

// A connection for the command line: it waits for a server that starts, and makes the database that is not there.
'use strict';

const { options } = require('./database');
const { load } = require('./packages');
const { Refusal } = require('./migrations');
const pg = load('pg');

// LiteLLM gives a command 60 s. On a cluster an init container waits; here pods start together and none is executed.
const PATIENCE_MS = 50_000;
const PAUSE_MS = 100;
const NOT_THERE_YET = new Set(['ECONNREFUSED', 'ECONNRESET', '57P03']);
const NO_DATABASE = '3D000';
const THERE_ALREADY = new Set(['42P04', '23505']); // another gateway was faster

const pause = () => new Promise((done) => setTimeout(done, PAUSE_MS));

async function connect(connection) {
  const client = new pg.Client(connection);
  client.on('error', () => {}); // the query that waits is told too
  try {
    await client.connect();
    return client;
  } catch (error) {
    client.connection.stream.destroy();
    throw error;
  }
}

// The server takes the connection and closes it when the forwarder finds nobody behind it.
const isNotThereYet = (error) => NOT_THERE_YET.has(error.code) || /terminated unexpectedly/.test(error.message);

async function patiently(connection) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await connect(connection);
    } catch (error) {
      if (!isNotThereYet(error)) throw error;
      const where = `\`${connection.host}:${connection.port}\``;
      if (Date.now() > deadline) throw new Refusal('P1001', `Can't reach database server at ${where}`);
    }
    await pause();
  }
}

async function create(connection) {
  const client = await patiently({ ...connection, database: 'postgres' });
  try {
    await client.query(`CREATE DATABASE ${client.escapeIdentifier(connection.database)}`);
    console.error(`PostgreSQL database ${connection.database} created`);
  } catch (error) {
    if (!THERE_ALREADY.has(error.code)) throw error;
  } finally {
    await client.end();
  }
}

async function open(url) {
  const { connection } = options(url);
  try {
    return await patiently(connection);
  } catch (error) {
    if (error instanceof Refusal) throw error;
    if (error.code !== NO_DATABASE) throw new Refusal('P1000', error.message);
  }
  await create(connection);
  return connect(connection);
}

module.exports = { open };

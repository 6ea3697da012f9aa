// Connections to PostgreSQL: a pool for the engine, and a short-lived connection that tells whether the server is there.
'use strict';

const { load } = require('./packages');
const pg = load('pg');

const STATUS_TIMEOUT_MS = 1000;

// Types that @prisma/adapter-pg 5.17 knows. It refuses every other one, system types such as `name`, `void` and
// `regclass` among them, so those are presented as text.
const KNOWN_TYPES = new Set([
  16, 17, 20, 21, 23, 25, 26, 114, 142, 650, 700, 701, 790, 869, 1042, 1043, 1082, 1083, 1114, 1184, 1266, 1560, 1562,
  1700, 2950, 3802,
  143, 199, 651, 791, 1000, 1001, 1002, 1005, 1007, 1009, 1014, 1015, 1016, 1021, 1022, 1028, 1041, 1115, 1182, 1183,
  1185, 1231, 1561, 1563, 2951, 3807,
]);
const TEXT = 25;
const FIRST_USER_TYPE = 16384; // enums and other types of the schema's own have higher numbers

function presentAsText(result) {
  for (const field of (result && result.fields) || []) {
    if (field.dataTypeID < FIRST_USER_TYPE && !KNOWN_TYPES.has(field.dataTypeID)) field.dataTypeID = TEXT;
  }
  return result;
}

// SQLSTATEs by which the server says that this connection is over, or that it takes none.
const isLost = (error) => /^(08|57P0[123])/.test(error.code || '');

class Client extends pg.Client {
  query(...args) {
    const done = typeof args.at(-1) === 'function' ? args.pop() : null; // the pool calls back, transactions await
    const result = this.answer(...args);
    return done ? void result.then((answer) => done(null, answer), done) : result;
  }

  async answer(...args) {
    try {
      return presentAsText(await super.query(...args));
    } catch (error) {
      // Without `severity` the adapter hands the error back to us instead of calling it a failed query.
      if (isLost(error)) throw Object.assign(new Error(error.message), { code: 'CONNECTION_LOST' });
      throw error;
    }
  }
}

// Honoured parameters of the URL are those below; others of Prisma's (pgbouncer, socket_timeout, ...) are ignored.
function options(url) {
  const parsed = new URL(url);
  const given = parsed.searchParams;
  const number = (name, fallback) => (given.has(name) ? Number(given.get(name)) : fallback);
  const ssl = { disable: false, require: { rejectUnauthorized: false }, 'verify-ca': true, 'verify-full': true };
  return {
    schema: given.get('schema') || 'public',
    poolTimeoutMs: 1000 * number('pool_timeout', 10),
    connection: {
      host: given.get('host') || parsed.hostname, // the parameter is the folder of a Unix socket
      port: Number(parsed.port || 5432),
      user: decodeURIComponent(parsed.username),
      password: decodeURIComponent(parsed.password), // empty: PGPASSWORD
      database: decodeURIComponent(parsed.pathname.slice(1)),
      ssl: ssl[given.get('sslmode')] ?? false,
      options: given.get('options') || undefined,
      connectionTimeoutMillis: 1000 * number('connect_timeout', 5),
    },
    limit: number('connection_limit', 10),
  };
}

class Database {
  constructor(url) {
    const { connection, schema, limit, poolTimeoutMs } = options(url);
    this.schema = schema;
    this.connection = connection;
    // One clock covers waiting for a free connection and opening one; the longer of the two limits is used.
    const connectionTimeoutMillis = Math.max(poolTimeoutMs, connection.connectionTimeoutMillis);
    this.pool = new pg.Pool({ ...connection, Client, max: limit, connectionTimeoutMillis });
    const lost = (error) => console.error(`query-engine: lost a connection: ${error.message}`);
    this.pool.on('error', lost); // while it is idle
    this.pool.on('connect', (client) => client.on('error', lost)); // while a transaction holds it
  }

  get exhausted() {
    return this.pool.totalCount >= this.pool.options.max && this.pool.idleCount === 0;
  }

  // Why PostgreSQL does not answer; empty when it does. A connection of its own: a full pool says nothing about the
  // server, and an open connection nothing about whether it takes new ones.
  async problem() {
    const client = new pg.Client({
      ...this.connection,
      connectionTimeoutMillis: STATUS_TIMEOUT_MS,
      query_timeout: STATUS_TIMEOUT_MS,
    });
    let why = '';
    client.on('error', (error) => { why ||= error.message; });
    try {
      await client.connect();
      await client.query('SELECT 1');
    } catch (error) {
      why = error.message || error.code || 'no answer';
    }
    client.connection.stream.destroy(); // a server that stands still would never say goodbye
    return why;
  }
}

module.exports = { Database, options };

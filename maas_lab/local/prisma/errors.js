// Errors as prisma-client-py reads them: `user_facing_error.error_code` chooses the exception that it raises.
'use strict';

const UNREACHABLE = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT', 'ENOENT']);

function facing(code, message, meta = {}) {
  return { error: message, user_facing_error: { is_panic: false, message, meta, error_code: code } };
}

// What a failure outside the engine means: it has no connection, lost one, or did something we did not foresee.
function external(error, database) {
  const { host, port } = database.connection;
  const told = error.message || error.code || String(error);
  if (/timeout exceeded when trying to connect/.test(told) && database.exhausted) {
    return facing('P2024', 'Timed out fetching a new connection from the connection pool.');
  }
  if (UNREACHABLE.has(error.code) || /timeout|cannot connect now|starting up|shutting down/i.test(told)) {
    return facing('P1001', `Can't reach database server at ${host}:${port}: ${told}`, {
      database_host: host,
      database_port: port,
    });
  }
  if (['CONNECTION_LOST', 'ECONNRESET', 'EPIPE'].includes(error.code) || /Connection terminated|not queryable/.test(told)) {
    return facing('P1017', `Server has closed the connection: ${told}`);
  }
  return facing('P2010', told);
}

module.exports = { external, facing };

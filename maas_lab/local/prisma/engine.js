// The engine itself: Prisma's own, compiled to WebAssembly, over PostgreSQL connections made here.
'use strict';

const { load, read } = require('./packages');
const { external } = require('./errors');
const graphql = require('./graphql');
const { jsonTagger, parseRawJson, untag } = require('./values');

const { PrismaPg } = load('@prisma/adapter-pg');
const { bindAdapter } = load('@prisma/driver-adapter-utils');
const glue = load('@prisma/client/runtime/query_engine_bg.postgresql.js');

const NO_TRACE = '{}';
const FROM_OUTSIDE = 'P2036'; // "error in external connector": the engine only knows a number, the adapter the error

function instantiate() {
  const code = read('@prisma/client/runtime/query_engine_bg.postgresql.wasm');
  const instance = new WebAssembly.Instance(new WebAssembly.Module(code), { './query_engine_bg.js': glue });
  glue.__wbg_set_wasm(instance.exports);
}

class Engine {
  constructor(schema, database) {
    instantiate();
    this.database = database;
    this.adapter = bindAdapter(new PrismaPg(database.pool, { schema: database.schema }));
    const config = { datamodel: schema, logLevel: 'error', logQueries: false, engineProtocol: 'json' };
    this.engine = new glue.QueryEngine(config, () => {}, this.adapter);
    this.tagJson = jsonTagger(schema);
  }

  // Opens no connection to the database; those come with the first query.
  connect() {
    return this.engine.connect(NO_TRACE);
  }

  async query(text, transaction) {
    const { alias, raw, query } = graphql.read(text, this.tagJson);
    return this.result(await this.call('query', JSON.stringify(query), NO_TRACE, transaction), alias, raw);
  }

  async batch(texts, inTransaction, isolationLevel, transaction) {
    const all = texts.map((text) => graphql.read(text, this.tagJson));
    const body = { batch: all.map(({ query }) => query), ...(inTransaction && { transaction: { isolationLevel } }) };
    const answer = await this.call('query', JSON.stringify(body), NO_TRACE, transaction);
    if (!answer.batchResult) return this.result(answer);
    return { batchResult: answer.batchResult.map((one, i) => this.result(one, all[i].alias, all[i].raw)) };
  }

  async start({ max_wait = 2000, timeout = 5000, isolation_level }) {
    const wanted = { max_wait, timeout, ...(isolation_level && { isolation_level }) };
    return this.told(await this.call('startTransaction', JSON.stringify(wanted), NO_TRACE));
  }

  async commit(id) {
    return this.told(await this.call('commitTransaction', id, NO_TRACE));
  }

  async rollback(id) {
    return this.told(await this.call('rollbackTransaction', id, NO_TRACE));
  }

  async call(method, ...args) {
    return JSON.parse((await this.engine[method](...args)) || '{}');
  }

  // A query's answer under the name that the client asked for.
  result(answer, alias, raw) {
    if (answer.errors) return { errors: answer.errors.map((error) => this.explained(error)) };
    const found = Object.values(answer.data)[0];
    return { data: { [alias]: raw ? parseRawJson(found) : untag(found) } };
  }

  // A transaction's answer: the engine puts errors at the top level.
  told(answer) {
    if (!answer.error_code) return answer;
    return { errors: [this.explained({ error: answer.message, user_facing_error: answer })] };
  }

  explained(error) {
    const told = error.user_facing_error || {};
    if (told.error_code !== FROM_OUTSIDE) return error;
    const kept = this.adapter.errorRegistry.registeredErrors;
    const { error: cause } = kept[told.meta.id] || { error: new Error(told.message) };
    delete kept[told.meta.id]; // the registry keeps errors for ever otherwise
    return external(cause, this.database);
  }
}

module.exports = { Engine };

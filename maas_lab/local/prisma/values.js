// Values that GraphQL and Prisma's JSON protocol write differently: Json inputs, tagged results, Json of raw queries.
'use strict';

const JSON_OPERATORS = new Set([
  'set', 'equals', 'not', 'push', 'array_contains', 'array_starts_with', 'array_ends_with', 'gt', 'gte', 'lt', 'lte',
]);

// The type of each field of each model, read from the schema: GraphQL carries Json as plain strings, and only the
// schema tells them from text.
function fieldTypes(schema) {
  const models = {};
  for (const [, name, body] of schema.matchAll(/^model\s+(\w+)\s*\{([\s\S]*?)^\}/gm)) {
    const fields = body.matchAll(/^[ \t]*(\w+)[ \t]+(\w+)/gm);
    models[name] = Object.fromEntries(Array.from(fields, ([, field, type]) => [field, type]));
  }
  return models;
}

const isPlain = (one) => one !== null && typeof one === 'object' && !Array.isArray(one) && !one.$type;

// Columns that are lists of Json are not served (LiteLLM's schema has none): adapter-pg 5.17 stores their items as text.
const tag = (one) => (typeof one === 'string' ? { $type: 'Json', value: one } : one);

function tagOperators(filter) {
  return Object.fromEntries(
    Object.entries(filter).map(([name, one]) => [name, JSON_OPERATORS.has(name) ? tag(one) : one]),
  );
}

// Returns a function that marks the Json inputs in a query's arguments; untagged ones would be stored as JSON strings
// that hold JSON.
function jsonTagger(schema) {
  const models = fieldTypes(schema);

  function field(one, type, model) {
    if (type === 'Json') return isPlain(one) ? tagOperators(one) : tag(one);
    if (models[type]) return walk(one, type);
    return type ? one : walk(one, model); // not a field: `AND`, `create`, `some` and the like
  }

  function walk(one, model) {
    if (Array.isArray(one)) return one.map((item) => walk(item, model));
    if (!isPlain(one)) return one;
    const types = models[model] || {};
    return Object.fromEntries(Object.entries(one).map(([name, inner]) => [name, field(inner, types[name], model)]));
  }

  // The outermost names are the operation's own (`data`, `where`), even if the model has a field of that name.
  return (given, model) => Object.fromEntries(Object.entries(given).map(([name, one]) => [name, walk(one, model)]));
}

const isTagged = (one) => typeof one.$type === 'string' && 'value' in one && Object.keys(one).length === 2;

// GraphQL results carry no tags. Big integers stay exact: as numbers while a double can hold them, else as text.
function untag(one) {
  if (Array.isArray(one)) return one.map(untag);
  if (one === null || typeof one !== 'object') return one;
  if (!isTagged(one)) return Object.fromEntries(Object.entries(one).map(([name, inner]) => [name, untag(inner)]));
  if (one.$type !== 'BigInt') return one.value;
  return Number.isSafeInteger(Number(one.value)) ? Number(one.value) : one.value;
}

function parsed(text) {
  if (typeof text !== 'string') return text;
  try {
    return JSON.parse(text);
  } catch {
    return text; // already a plain string value of a Json column
  }
}

// The native engine hands the Json columns of raw queries over as values, this one as text.
function parseRawJson(result) {
  if (!result || !Array.isArray(result.types)) return result;
  const readers = { json: parsed, 'json-array': (list) => (Array.isArray(list) ? list.map(parsed) : list) };
  const rows = result.rows.map((row) => row.map((cell, i) => (readers[result.types[i]] || ((one) => one))(cell)));
  return { ...result, rows };
}

module.exports = { jsonTagger, parseRawJson, untag };

// prisma-client-py writes GraphQL, the engine reads Prisma's JSON protocol: turn the one into the other.
'use strict';

const { load } = require('./packages');
const { parse } = load('graphql');

const RAW = ['queryRaw', 'executeRaw'];
const ACTIONS = [
  'findUnique', 'findFirst', 'findMany', 'createMany', 'createOne', 'updateMany', 'updateOne', 'deleteMany',
  'deleteOne', 'upsertOne', 'aggregate', 'groupBy',
];

function integer(text) {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : { $type: 'BigInt', value: text };
}

const READERS = {
  NullValue: () => null,
  IntValue: (node) => integer(node.value),
  FloatValue: (node) => Number(node.value),
  StringValue: (node) => node.value,
  EnumValue: (node) => node.value,
  BooleanValue: (node) => node.value,
  ListValue: (node) => node.values.map(value),
  ObjectValue: (node) => Object.fromEntries(node.fields.map((field) => [field.name.value, value(field.value)])),
};

function value(node) {
  const read = READERS[node.kind];
  if (!read) throw new Error(`unsupported GraphQL value ${node.kind}`);
  return read(node);
}

const readArguments = (nodes) => Object.fromEntries((nodes || []).map((node) => [node.name.value, value(node.value)]));

function selection(set) {
  const fields = set ? set.selections : [];
  return Object.fromEntries(fields.map((field) => [field.name.value, nested(field)]));
}

function nested(field) {
  if (!field.selectionSet && !(field.arguments && field.arguments.length)) return true;
  return { arguments: readArguments(field.arguments), selection: selection(field.selectionSet) };
}

function actionOf(name) {
  const action = ACTIONS.find((one) => name.startsWith(one));
  if (!action) throw new Error(`unsupported operation ${name}`);
  const model = name.slice(action.length);
  return model.endsWith('OrThrow')
    ? { action: `${action}OrThrow`, modelName: model.slice(0, -'OrThrow'.length) }
    : { action, modelName: model };
}

// Returns the query for the engine, whether it is raw SQL, and the name under which the client expects the result.
// `tagJson(arguments, model)` marks the inputs of Json fields.
function read(text, tagJson) {
  const field = parse(text, { noLocation: true }).definitions[0].selectionSet.selections[0];
  const name = field.name.value;
  const alias = field.alias ? field.alias.value : name;
  const given = readArguments(field.arguments);
  if (RAW.includes(name)) return { alias, raw: true, query: { action: name, query: { arguments: given, selection: {} } } };
  const { action, modelName } = actionOf(name);
  const query = { arguments: tagJson(given, modelName), selection: selection(field.selectionSet) };
  return { alias, raw: false, query: { modelName, action, query } };
}

module.exports = { read };

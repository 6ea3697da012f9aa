// The commands of Prisma's command line that LiteLLM 1.81.0 calls at its start, in its words: LiteLLM reads them.
//   migrate deploy                           apply what is missing of ./migrations
//   migrate resolve --applied|--rolled-back  write into the list of applied migrations
//   migrate diff --script                    print the SQL that the database lacks
//   db execute --file FILE                   run that SQL
'use strict';

const fs = require('fs');
const path = require('path');
const { open } = require('./connection');
const { Migrations, Refusal } = require('./migrations');

const args = process.argv.slice(2);
const option = (name) => (args.includes(name) ? args[args.indexOf(name) + 1] : undefined);
const url = option('--from-url') || option('--to-url') || process.env.DATABASE_URL;

const COMMANDS = {
  'migrate deploy': (client) => new Migrations(client, path.resolve('migrations')).deploy(),
  'migrate resolve': (client) => {
    const migrations = new Migrations(client, path.resolve('migrations'));
    const applied = option('--applied');
    return applied ? migrations.markApplied(applied) : migrations.markRolledBack(option('--rolled-back'));
  },
  // Not a comparison of schemas: what nobody changed by hand lacks exactly the migrations that are not applied yet.
  'migrate diff': async (client) => {
    const missing = await new Migrations(client, process.env.MAAS_LAB_MIGRATIONS).missing();
    return missing.map((one) => one.sql).join('\n').trimEnd();
  },
  'db execute': async (client) => {
    await client.query(fs.readFileSync(option('--file'), 'utf8'));
    return 'Script executed successfully.';
  },
};

async function main() {
  const client = await open(url);
  try {
    const told = await COMMANDS[args.slice(0, 2).join(' ')](client);
    if (told) console.log(told);
  } finally {
    await client.end();
  }
}

main().catch((error) => {
  console.error(`Error: ${error instanceof Refusal ? error.message : error.stack}`);
  process.exitCode = 1;
});

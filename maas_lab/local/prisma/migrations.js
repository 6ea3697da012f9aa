// Migrations as Prisma keeps them: a folder each, and a table that lists those that were applied.
'use strict';

const crypto = require('crypto');
const fs = require('fs');
const path = require('path');

const LOCK = 72707369; // Prisma's own number: two gateways that start together take turns
const TABLE = `CREATE TABLE IF NOT EXISTS _prisma_migrations (
    id VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum VARCHAR(64) NOT NULL,
    finished_at TIMESTAMPTZ,
    migration_name VARCHAR(255) NOT NULL,
    logs TEXT,
    rolled_back_at TIMESTAMPTZ,
    started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count INTEGER NOT NULL DEFAULT 0
)`;
const FAILED = 'finished_at IS NULL AND rolled_back_at IS NULL';

// What LiteLLM recognises by Prisma's number for it.
class Refusal extends Error {
  constructor(number, text) {
    super(`${number}: ${text}`);
  }
}

const isMissing = (error) => error.code === '42P01'; // the table

class Migrations {
  constructor(client, folder) {
    Object.assign(this, { client, folder });
  }

  all() {
    const names = fs.readdirSync(this.folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return names.map(({ name }) => name).sort().map((name) => this.read(name));
  }

  read(name) {
    const sql = fs.readFileSync(path.join(this.folder, name, 'migration.sql'), 'utf8');
    return { name, sql, checksum: crypto.createHash('sha256').update(sql).digest('hex') };
  }

  async names(condition) {
    try {
      const { rows } = await this.client.query(`SELECT migration_name FROM _prisma_migrations WHERE ${condition}`);
      return new Set(rows.map((row) => row.migration_name));
    } catch (error) {
      if (isMissing(error)) return new Set();
      throw error;
    }
  }

  async missing() {
    const applied = await this.names('finished_at IS NOT NULL');
    return this.all().filter(({ name }) => !applied.has(name));
  }

  async deploy() {
    await this.client.query(`SELECT pg_advisory_lock(${LOCK})`);
    await this.refuseForeignTables();
    await this.client.query(TABLE);
    for (const name of await this.names(FAILED)) {
      throw new Refusal('P3009', `found failed migrations. The \`${name}\` migration failed`);
    }
    const missing = await this.missing();
    for (const one of missing) await this.apply(one);
    const count = missing.length;
    return count ? `${count} migrations have been successfully applied.` : 'No pending migrations to apply.';
  }

  // LiteLLM would baseline such a database by comparing schemas, which nobody here can do; it is left as it is.
  async refuseForeignTables() {
    const known = await this.client.query("SELECT to_regclass('_prisma_migrations') AS known");
    const tables = await this.client.query("SELECT 1 FROM pg_tables WHERE schemaname = current_schema() LIMIT 1");
    if (!known.rows[0].known && tables.rowCount) throw new Refusal('P3005', 'the database holds tables of another origin');
  }

  // The migration and its line in the list are one transaction: an interruption leaves both or neither.
  async apply(one) {
    try {
      await this.client.query('BEGIN');
      await this.client.query(one.sql);
      await this.list(one, 'now()');
      await this.client.query('COMMIT');
    } catch (error) {
      await this.client.query('ROLLBACK');
      await this.list(one, 'NULL', error.message);
      throw new Refusal('P3018', [
        'A migration failed to apply.',
        `Migration name: ${one.name}`,
        `Database error code: ${error.code}`,
        `Database error:\nERROR: ${error.message}`,
      ].join('\n\n'));
    }
  }

  list({ name, checksum }, finished, logs = null) {
    const columns = 'id, checksum, migration_name, logs, finished_at, applied_steps_count';
    const values = [crypto.randomUUID(), checksum, name, logs, finished === 'NULL' ? 0 : 1];
    const text = `INSERT INTO _prisma_migrations (${columns}) VALUES ($1, $2, $3, $4, ${finished}, $5)`;
    return this.client.query(text, values);
  }

  async markApplied(name) {
    await this.client.query(TABLE);
    if ((await this.names('finished_at IS NOT NULL')).has(name)) {
      throw new Refusal('P3008', `The migration \`${name}\` is already recorded as applied in the database.`);
    }
    await this.rollBack(name);
    await this.list(this.read(name), 'now()');
    return `Migration ${name} marked as applied.`;
  }

  async markRolledBack(name) {
    if (!(await this.rollBack(name))) {
      throw new Refusal('P3012', `Migration \`${name}\` cannot be rolled back because it is not in a failed state.`);
    }
    return `Migration ${name} marked as rolled back.`;
  }

  async rollBack(name) {
    const text = `UPDATE _prisma_migrations SET rolled_back_at = now() WHERE migration_name = $1 AND ${FAILED}`;
    return (await this.client.query(text, [name])).rowCount;
  }
}

module.exports = { Migrations, Refusal };

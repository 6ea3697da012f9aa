// The npm packages live in the lab's runtime environment, away from this code.
'use strict';

const fs = require('fs');
const path = require('path');

const folder = process.env.PRISMA_WASM_NODE_MODULES;
if (!folder) throw new Error('PRISMA_WASM_NODE_MODULES must name a node_modules folder');

module.exports = {
  load: (name) => require(path.join(folder, name)),
  read: (name) => fs.readFileSync(path.join(folder, name)),
};

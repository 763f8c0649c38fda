// node compile_mjml.cjs MODULES SAMPLE… writes the HTML of each sample, as a list in JSON.
const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const [modules, ...samples] = process.argv.slice(2);
const loaded = require(join(modules, "mjml-browser"));
const compile = loaded.default ?? loaded;
Promise.all(samples.map(async name => (await compile(readFileSync(name, "utf8"))).html)).then(
  pages => process.stdout.write(JSON.stringify(pages)),
);

// Asks AsyncAPI's own parser about documents and ajv about values, as readers in other languages will.
// Standard input: {"documents": [text], "cases": [{"schema": {…}, "values": […]}]}; output: what each was told.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(process.argv[2] + "/");
const { Parser } = require("@asyncapi/parser");
const { default: Ajv2020 } = require("ajv/dist/2020");

const asked = JSON.parse(readFileSync(0, "utf8"));
const parser = new Parser();
const documents = [];
for (const text of asked.documents) {
  const { diagnostics } = await parser.parse(text);
  const wrong = diagnostics.filter(({ severity }) => severity < 2); // errors and warnings
  documents.push(wrong.map(({ path, message }) => `${path.join(".")}: ${message}`));
}
const cases = asked.cases.map(({ schema, values }) => {
  const ajv = new Ajv2020({ allErrors: true, strict: true, strictRequired: false });
  ajv.addVocabulary(["discriminator"]); // OpenAPI's: a hint beside oneOf
  const judge = ajv.compile(schema);
  return values.map((value) => (judge(value) ? "" : ajv.errorsText(judge.errors)));
});
process.stdout.write(JSON.stringify({ documents, cases }));

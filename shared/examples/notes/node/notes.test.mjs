// The notes of two users. `../test` sets the environment and starts an emulated table.

import assert from "node:assert/strict";
import test from "node:test";

import { MAX_TEXT, PAGE, ROUTES, handler, table } from "./notes.mjs";

const BOTH = "openid read:notes write:notes";

/** The status and the body of the answer, as API Gateway would ask after the authorizer. */
async function ask(routeKey, sub, { scope = BOTH, id, ...event } = {}) {
  const requestContext = { authorizer: { lambda: { sub, scope } } };
  const answer = await handler({ routeKey, requestContext, pathParameters: id && { id }, ...event });
  return [answer.statusCode, answer.body && JSON.parse(answer.body)];
}

function create(sub, note, event = {}) {
  return ask("POST /notes", sub, { body: JSON.stringify(note), ...event });
}

test("each user has separate notes", async () => {
  const [status, note] = await create("auth0|ada", { text: "Note G" });
  assert.deepEqual([status, note.text], [201, "Note G"]);
  const { id } = note;
  assert.deepEqual(await ask("GET /notes/{id}", "auth0|ada", { id }), [200, note]);
  assert.deepEqual(await ask("GET /notes", "auth0|ada"), [200, { notes: [note], next: null }]);
  assert.deepEqual(await ask("GET /notes", "auth0|grace"), [200, { notes: [], next: null }]);
  for (const route of ["GET /notes/{id}", "DELETE /notes/{id}"]) {
    const [status, body] = await ask(route, "auth0|grace", { id });
    assert.deepEqual([status, body.code], [404, "note_not_found"]);
  }
  assert.deepEqual(await ask("DELETE /notes/{id}", "auth0|ada", { id }), [204, ""]);
  assert.equal((await ask("DELETE /notes/{id}", "auth0|ada", { id }))[0], 404);
});

test("each route requires its scope", async () => {
  for (const [route, [scope]] of Object.entries(ROUTES)) {
    const id = "0".repeat(26);
    const others = BOTH.replace(scope, `${scope}:other`);
    const [status, body] = await ask(route, "auth0|ada", { scope: others, id });
    assert.deepEqual([status, body.code], [403, "insufficient_scope"], route);
    assert.notEqual((await ask(route, "auth0|ada", { scope, id }))[0], 403, route);
  }
});

test("invalid requests are refused", async () => {
  const tooLong = "x".repeat(MAX_TEXT + 1);
  for (const note of [{ text: "" }, { text: tooLong }, { text: 7 }, { text: "x", owner: "y" }, {}, [], null]) {
    const [status, body] = await create("auth0|ada", note);
    assert.deepEqual([status, body.code], [400, "invalid_note"], JSON.stringify(note));
  }
  assert.equal((await ask("POST /notes", "auth0|ada", { body: "no JSON" }))[0], 400);
  assert.equal((await ask("POST /notes", "auth0|ada"))[0], 400);
  assert.equal((await ask("GET /notes", "auth0|ada", { queryStringParameters: { after: "x" } }))[0], 400);
  assert.equal((await ask("GET /notes/{id}", "auth0|ada", { id: "x" }))[0], 404);
});

test("an encoded body is read", async () => {
  const body = Buffer.from('{"text": "encoded"}').toString("base64");
  const [status, note] = await ask("POST /notes", "auth0|eve", { body, isBase64Encoded: true });
  assert.deepEqual([status, note.text], [201, "encoded"]);
});

test("a long list has pages with the newest note first", async (context) => {
  let now = 1_800_000_000_000;
  context.mock.method(Date, "now", () => (now += 1000));
  for (let number = 0; number <= PAGE; number++) await create("auth0|joan", { text: `${number}` });
  context.mock.restoreAll();
  const [, first] = await ask("GET /notes", "auth0|joan");
  const expected = Array.from({ length: PAGE }, (_, index) => `${PAGE - index}`);
  assert.deepEqual(first.notes.map((note) => note.text), expected);
  const [, second] = await ask("GET /notes", "auth0|joan", { queryStringParameters: { after: first.next } });
  assert.deepEqual([second.notes.map((note) => note.text), second.next], [["0"], null]);
});

test("without its table the API is unavailable", async (context) => {
  context.mock.method(table, "send", () => Promise.reject(new Error("no connection")));
  context.mock.method(console, "error", () => {});
  const [status, body] = await ask("GET /notes", "auth0|ada");
  assert.deepEqual([status, body.code], [503, "notes_unavailable"]);
});

// Each user lists, reads, creates and deletes their own notes. The bundle's authorizer has
// authenticated the caller and passes on the claims, so there is no code for tokens or sessions.

import { createHash, randomBytes } from "node:crypto";

import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import {
  DeleteCommand,
  DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  QueryCommand,
} from "@aws-sdk/lib-dynamodb";

export const MAX_TEXT = 10_000;
export const PAGE = 50;
export const table = DynamoDBDocumentClient.from(new DynamoDBClient());
const TableName = process.env.NOTES_TABLE;

/** An error with its status and its code. */
class Refused extends Error {
  constructor(status, code, description) {
    super(description);
    Object.assign(this, { status, code });
  }
}

async function list(owner, event) {
  const after = event.queryStringParameters?.after;
  if (after && !isId(after)) throw new Refused(400, "invalid_note", "`after` must be the id of a note.");
  const found = await table.send(
    new QueryCommand({
      TableName,
      KeyConditionExpression: "owner_digest = :owner",
      ExpressionAttributeValues: { ":owner": owner },
      ScanIndexForward: false,
      Limit: PAGE,
      ExclusiveStartKey: after && { owner_digest: owner, id: after },
    }),
  );
  return [200, { notes: found.Items.map(shown), next: found.LastEvaluatedKey?.id ?? null }];
}

async function create(owner, event) {
  const text = textOf(event);
  if (typeof text !== "string" || text === "" || Buffer.byteLength(text) > MAX_TEXT) {
    throw new Refused(400, "invalid_note", "The body must be JSON: `text`, of 1 to 10,000 bytes.");
  }
  // It begins with the time, so the table keeps the order.
  const seconds = Math.floor(Date.now() / 1000).toString(16).padStart(10, "0");
  const Item = { owner_digest: owner, id: seconds + randomBytes(8).toString("hex"), text };
  await table.send(new PutCommand({ TableName, Item }));
  return [201, shown(Item)];
}

async function read(owner, event) {
  const found = await table.send(
    new GetCommand({ TableName, Key: existing(owner, event), ConsistentRead: true }),
  );
  return [200, shown(found.Item)];
}

async function remove(owner, event) {
  const deleted = await table.send(
    new DeleteCommand({ TableName, Key: existing(owner, event), ReturnValues: "ALL_OLD" }),
  );
  shown(deleted.Attributes);
  return [204];
}

export const ROUTES = {
  "GET /notes": ["read:notes", list],
  "POST /notes": ["write:notes", create],
  "GET /notes/{id}": ["read:notes", read],
  "DELETE /notes/{id}": ["write:notes", remove],
};

export async function handler(event) {
  const caller = event.requestContext.authorizer.lambda;
  const [scope, answer] = ROUTES[event.routeKey];
  try {
    if (!(caller.scope ?? "").split(" ").includes(scope)) {
      throw new Refused(403, "insufficient_scope", `The scope ${scope} is needed.`);
    }
    // Each row has the digest in its key, so a user reaches no row of another.
    const owner = createHash("sha256").update(caller.sub).digest("hex");
    return response(...(await answer(owner, event)));
  } catch (error) {
    if (error instanceof Refused) {
      return response(error.status, { code: error.code, description: error.message });
    }
    console.error("the table cannot be used", error);
    return response(503, { code: "notes_unavailable", description: "Try again later." });
  }
}

/** The text of the note in the body, if that is all it contains. */
function textOf({ body, isBase64Encoded }) {
  try {
    const note = JSON.parse(isBase64Encoded ? Buffer.from(body, "base64").toString() : body);
    return Object.keys(note).join() === "text" ? note.text : undefined;
  } catch {
    return undefined;
  }
}

/** The key of the user's note that the path names. */
function existing(owner, event) {
  const { id } = event.pathParameters;
  if (!isId(id)) throw notFound();
  return { owner_digest: owner, id };
}

function shown(item) {
  if (item === undefined) throw notFound();
  return { id: item.id, text: item.text };
}

function notFound() {
  return new Refused(404, "note_not_found", "There is no such note.");
}

function isId(text) {
  return /^[0-9a-f]{26}$/.test(text);
}

function response(statusCode, body) {
  const headers = { "content-type": "application/json", "cache-control": "no-store" };
  return { statusCode, headers, body: body === undefined ? "" : JSON.stringify(body) };
}

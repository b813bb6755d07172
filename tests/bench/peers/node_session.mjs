// Verifies a Bearer token as aws_jwt_verify.mjs does, reads its session from DynamoDB, and returns
// the claims. It reads one row, as `protected` does for a token that it has seen: which session the
// token leads to is remembered there, and configured here.
import { DynamoDBClient, GetItemCommand } from "@aws-sdk/client-dynamodb";
import { handler as verify } from "./aws_jwt_verify.mjs";

const client = new DynamoDBClient({});

export async function handler(event) {
  const answer = await verify(event);
  if (answer.statusCode === 200 && !(await hasSession())) {
    return { statusCode: 401, body: "Good token, bad session" };
  }
  return answer;
}

async function hasSession() {
  const read = new GetItemCommand({
    TableName: process.env.SESSION_TABLE,
    Key: { pk: { S: process.env.ROW } },
    ConsistentRead: true,
  });
  const { Item } = await client.send(read);
  return Item !== undefined && Number(Item.expires_at.N) > Date.now() / 1000;
}

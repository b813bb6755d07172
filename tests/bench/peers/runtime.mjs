// The loop of Lambda's Node.js runtime: one request after the other, over one connection. `build` puts
// a peer's module in place of "handler".
import http from "node:http";
import { handler } from "handler";

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function call(method, path, body) {
  return new Promise((resolve, reject) => {
    const url = `/2018-06-01/runtime/invocation/${path}`;
    const request = http.request({ host, port, agent, method, path: url }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => resolve([response.headers, Buffer.concat(chunks)]));
    });
    request.on("error", reject);
    request.end(body);
  });
}

async function run() {
  for (;;) {
    const [headers, event] = await call("GET", "next");
    const answer = await handler(JSON.parse(event), {});
    const id = headers["lambda-runtime-aws-request-id"];
    await call("POST", `${id}/response`, JSON.stringify(answer));
  }
}

run();

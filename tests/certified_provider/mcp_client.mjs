// An MCP client that knows only the address of a server, and its registration at the provider.
//
// Usage: node mcp_client.mjs SERVER CLIENT_ID CLIENT_SECRET REDIRECT_URI
// Finds the provider, logs ada@example.com in, lists the server's tools and calls `whoami`. Prints one
// line of JSON: the provider, what was requested there, the tools and the answer.
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const [server, client_id, client_secret, redirectUrl] = process.argv.slice(2);
let authorization;
let tokens;
let verifier;
const authProvider = {
  redirectUrl,
  clientMetadata: { redirect_uris: [redirectUrl], token_endpoint_auth_method: 'client_secret_post' },
  clientInformation: () => ({ client_id, client_secret }),
  redirectToAuthorization: (url) => { authorization = url; },
  tokens: () => tokens,
  saveTokens: (issued) => { tokens = issued; },
  codeVerifier: () => verifier,
  saveCodeVerifier: (text) => { verifier = text; },
};
const transport = () => new StreamableHTTPClientTransport(new URL(server), { authProvider });

const first = transport();
const refused = await connect(first).then(() => null, (error) => error);
if (!(refused instanceof UnauthorizedError)) throw refused ?? new Error('the server asks for no token');
await first.finishAuth(await logIn(authorization));
const client = await connect(transport());
const { tools } = await client.listTools();
const { content } = await client.callTool({ name: 'whoami', arguments: {} });
await client.close();
console.log(JSON.stringify({
  provider: authorization.origin,
  resource: authorization.searchParams.get('resource'),
  scope: authorization.searchParams.get('scope'),
  tools: tools.map((tool) => tool.name),
  answer: content[0].text,
}));

async function connect(to) {
  const connecting = new Client({ name: 'client-of-the-stories', version: '1.0.0' });
  await connecting.connect(to);
  return connecting;
}

/** Logs in as a browser does, and returns the code without following the last redirect. */
async function logIn(start) {
  const cookies = new Map();
  let [url, body] = [start, null];
  for (;;) {
    const answer = await fetch(url, {
      method: body ? 'POST' : 'GET',
      body,
      redirect: 'manual',
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
    });
    for (const cookie of answer.headers.getSetCookie()) {
      const [, name, value] = cookie.match(/^([^=]*)=([^;]*)/);
      cookies.set(name, value);
    }
    body = null;
    if (answer.status === 200) {
      body = new URLSearchParams({ email: 'ada@example.com' });
      continue;
    }
    if (!answer.headers.has('location')) throw new Error(`the provider answers ${answer.status}`);
    url = new URL(answer.headers.get('location'), url);
    if (url.href.startsWith(redirectUrl)) {
      if (!url.searchParams.has('code')) throw new Error(`the provider returns ${url.search}`);
      return url.searchParams.get('code');
    }
  }
}

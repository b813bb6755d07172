// Answers for an Auth0 tenant in place of the network, when Node.js preloads it. Prints each request
// that changes the tenant. TENANT contains the tenant's clients and resource servers as JSON.
const { clients = [], resource_servers = [] } = JSON.parse(process.env.TENANT ?? '{}');
const page = { start: 0, limit: 100 };
const answers = {
  'POST /oauth/token': { access_token: 'token', token_type: 'Bearer', expires_in: 60 },
  'GET /api/v2/clients': { ...page, clients, total: clients.length },
  'GET /api/v2/resource-servers': { ...page, resource_servers, total: resource_servers.length },
};

globalThis.fetch = async (input, init) => {
  const request = new Request(input, init);
  const { host, pathname } = new URL(request.url);
  const body = await request.text();
  const name = `${request.method} ${pathname}`;
  if (host !== process.env.AUTH0_DOMAIN) throw new Error(`a request to ${host}`);
  if (!(name in answers)) console.log(`request: ${name} ${body}`);
  return Response.json(answers[name] ?? JSON.parse(body));
};

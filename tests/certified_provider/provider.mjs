// A certified OpenID Connect provider with Auth0's paths.
//
// Usage: PROVIDER_CLIENT='{"client_id":…,"client_secret":…,"redirect_uris":[…]}' node provider.mjs [PORT]
// Prints `ready PORT` when it listens on loopback. Exits when its standard input closes, so that it
// cannot outlive the test that started it.
// With PROVIDER_RESOURCE, it issues JWT access tokens for that resource (RFC 8707).
// With PROVIDER_PATH, the issuer has that path and no trailing slash, and the endpoints are below it.
// With PROVIDER_SECOND_PORT, all endpoints that are not for browsers, and the keys, are on another port.
// With PROVIDER_THIN, ID tokens contain only what the standard requires, and the rest is at /userinfo.
//
// Its pages are plain forms that work without script. `controls` contains what a test may change at
// run time.
import * as crypto from 'node:crypto';
import * as http from 'node:http';
import Provider from 'oidc-provider';

const client = JSON.parse(process.env.PROVIDER_CLIENT ?? 'null');
if (client === null) throw new Error('PROVIDER_CLIENT must hold the client as JSON');

const resource = process.env.PROVIDER_RESOURCE;
const resourceScope = 'read:notes';
const path = process.env.PROVIDER_PATH ?? '';
const port = await listen('', Number(process.argv[2] ?? 0));
const secondPort = process.env.PROVIDER_SECOND_PORT ? await listen('second port: ', 0) : null;
const issuer = `http://localhost:${port}${path || '/'}`;
const cookieKey = crypto.randomBytes(32).toString('hex');
const served = {}; // requests answered so far, by path
let key; // the one key that signs and is published
let nextIdToken = {}; // how the next ID token is spoilt: { claims, unknown_key }
let provider;
rotateKeys();

process.stdin.resume().on('end', () => process.exit(0));
console.log(`ready ${port} ${secondPort ?? ''}`.trim());

const controls = {
  'POST /__control/rotate-keys': () => rotateKeys(),
  'POST /__control/next-id-token': (body) => { nextIdToken = JSON.parse(body); },
  'GET /__control/served': () => served,
};

function listen(name, onPort) {
  return new Promise((resolve, reject) => {
    const server = http.createServer((request, response) => answer(name, request, response));
    server.on('error', reject);
    server.listen(onPort, '127.0.0.1', () => resolve(server.address().port));
  });
}

/** `name` is put in front of the paths that are counted. */
async function answer(name, request, response) {
  const { pathname } = new URL(request.url, issuer);
  const control = controls[`${request.method} ${pathname}`];
  if (control) {
    const result = control(await bodyOf(request)) ?? {};
    response.setHeader('content-type', 'application/json').end(JSON.stringify(result));
    return;
  }
  // A browser logs a picture that it does not find as an error.
  if (['/favicon.ico', '/picture.png'].includes(pathname)) {
    response.writeHead(204).end();
    return;
  }
  served[name + pathname] = (served[name + pathname] ?? 0) + 1;
  if (pathname.startsWith('/interaction/')) {
    await interaction(request, response).catch((error) => {
      response.writeHead(400, { 'content-type': 'text/plain' }).end(error.message);
    });
    return;
  }
  if (path && !pathname.startsWith(`${path}/`)) {
    response.writeHead(404).end();
    return;
  }
  // The library learns from the difference where it is mounted.
  request.originalUrl = request.url;
  request.url = request.url.slice(path.length);
  provider.callback()(request, response);
}

/** The old key is gone at once: a token it signed no longer verifies. Logins and sessions go on. */
function rotateKeys() {
  key = signingKey();
  provider = new Provider(issuer, {
    clients: [client],
    jwks: { keys: [{ ...key.privateKey.export({ format: 'jwk' }), ...key.label }] },
    cookies: { keys: [cookieKey] },
    routes: {
      authorization: '/authorize',
      token: '/oauth/token',
      end_session: '/oidc/logout',
      revocation: '/oauth/revoke',
      userinfo: '/userinfo',
      jwks: '/.well-known/jwks.json',
    },
    pkce: { required: () => true },
    // As at Auth0 with rotation: a refresh token works once.
    rotateRefreshToken: true,
    scopes: ['openid', 'offline_access'],
    claims: {
      openid: ['sub'],
      email: ['email', 'email_verified'],
      profile: ['name', 'nickname', 'picture', 'updated_at'],
    },
    // Like Auth0, puts the claims of the granted scopes into the ID token, not only into /userinfo.
    conformIdTokenClaims: Boolean(process.env.PROVIDER_THIN),
    // Auth0's parameters in addition to the standard's.
    extraParams: ['audience', 'connection', 'organization', 'invitation'],
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: Boolean(client.backchannel_logout_uri) },
      resourceIndicators: {
        enabled: Boolean(resource),
        defaultResource: () => resource,
        getResourceServerInfo: () => ({ scope: resourceScope, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } }),
        useGrantedResource: () => true,
      },
      revocation: { enabled: true },
      rpInitiatedLogout: { enabled: true, logoutSource, postLogoutSuccessSource },
    },
    interactions: { url: (_ctx, { uid }) => `/interaction/${uid}` },
    // The application is first-party: requested scopes are granted without consent.
    loadExistingGrant: async (ctx) => {
      const grant = new ctx.oidc.provider.Grant({
        clientId: ctx.oidc.client.clientId,
        accountId: ctx.oidc.session.accountId,
      });
      grant.addOIDCScope(ctx.oidc.params.scope ?? '');
      if (resource) grant.addResourceScope(resource, resourceScope);
      await grant.save();
      return grant;
    },
    findAccount: (_ctx, id) => ({ accountId: id, claims: () => claimsOf(id) }),
    // The library's `dispatcher` refuses loopback, where the tests listen.
    fetch: (url, { dispatcher, ...options }) => globalThis.fetch(url, options),
  });
  provider.use(nameSecondPort);
  provider.use(consentToOfflineAccess);
  provider.use(spoilIdToken);
}

/** The account is the e-mail typed at login. */
function claimsOf(id) {
  return {
    sub: id,
    email: id,
    email_verified: true,
    name: id.split('@')[0],
    nickname: id.split('@')[0],
    picture: `http://localhost:${port}/picture.png`,
    updated_at: 1_700_000_000,
  };
}

async function interaction(request, response) {
  const { uid, prompt, params } = await provider.interactionDetails(request, response);
  if (request.method === 'POST') {
    const form = new URLSearchParams(await bodyOf(request));
    const result = form.has('cancel')
      ? { error: 'access_denied', error_description: 'The person cancelled the login' }
      : { login: { accountId: form.get('email') } };
    await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
    return;
  }
  if (prompt.name === 'consent') {
    await provider.interactionFinished(request, response, { consent: {} }, { mergeWithLastSubmission: true });
    return;
  }
  if (prompt.name !== 'login') throw new Error(`unexpected prompt ${prompt.name}`);
  page(response, 'Log in', `<form method="post" action="/interaction/${uid}">
    <label>E-mail <input name="email" type="email" value="${escape(params.login_hint ?? '')}"></label>
    <button>Log in</button>
    <button name="cancel" value="yes" formnovalidate>Cancel</button>
  </form>`);
}

async function logoutSource(ctx, form) {
  const button = '<button name="logout" value="yes">Log out</button>';
  page(ctx.res, 'Log out', form.replace('</form>', `${button}</form>`));
  ctx.respond = false;
}

async function postLogoutSuccessSource(ctx) {
  page(ctx.res, 'Logged out', '<p>The session has ended.</p>');
  ctx.respond = false;
}

/** Auth0 gives a refresh token for the scope alone; this provider, where consent is asked for. */
async function consentToOfflineAccess(ctx, next) {
  const { scope = '', prompt = '' } = ctx.query;
  if (ctx.path === '/authorize' && scope.split(' ').includes('offline_access')) {
    ctx.query = { ...ctx.query, prompt: `${prompt} consent`.trim() };
  }
  await next();
}

async function nameSecondPort(ctx, next) {
  await next();
  if (!secondPort || ctx.path !== '/.well-known/openid-configuration') return;
  for (const name of ['token_endpoint', 'jwks_uri', 'userinfo_endpoint', 'revocation_endpoint']) {
    ctx.body[name] = ctx.body[name].replace(`:${port}/`, `:${secondPort}/`);
  }
}

async function spoilIdToken(ctx, next) {
  await next();
  if (ctx.path !== '/oauth/token' || !ctx.body?.id_token) return;
  const { claims, unknown_key: unknownKey } = nextIdToken;
  nextIdToken = {};
  if (claims || unknownKey) {
    const payload = JSON.parse(Buffer.from(ctx.body.id_token.split('.')[1], 'base64url'));
    ctx.body.id_token = sign({ ...payload, ...claims }, unknownKey ? signingKey() : key);
  }
}

function sign(payload, { label, privateKey }) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const input = `${encode({ alg: label.alg, typ: 'JWT', kid: label.kid })}.${encode(payload)}`;
  return `${input}.${crypto.sign('sha256', Buffer.from(input), privateKey).toString('base64url')}`;
}

function signingKey() {
  const { privateKey } = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { privateKey, label: { kid: crypto.randomUUID(), alg: 'RS256', use: 'sig' } };
}

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function page(response, title, content) {
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
  response.end(`<!doctype html><html lang="en"><title>${title}</title><h1>${title}</h1>${content}</html>`);
}

function escape(text) {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

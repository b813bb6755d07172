//! The real identity provider, over HTTP.

use std::{error::Error, fmt, mem, sync::OnceLock, time::Duration};

use async_trait::async_trait;
use http::{StatusCode, header};
use reqwest::{Client, Request, RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use crate::{crypto::tls::Network, issuer::Issuer};

use super::{
    AuthorizationCodeGrant, ClientAuthentication, ClientCredentials, ErrorMeaning, ErrorResponse,
    IdentityProvider, ProviderError, RedeemError, RefreshResponse, RefreshTokenGrant,
    TokenResponse, UserInfoResponse,
};

/// How long a request may take, from the connection to the last byte: well below a function's own
/// timeout.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How long a request for the list of login methods may take; a person waits for the page.
const SCRIPT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a request for user info may take; a person waits for the end of the login.
const USER_INFO_TIMEOUT: Duration = Duration::from_secs(3);

/// The longest user info that is read, in bytes. It becomes a part of the session's row.
const MAX_USER_INFO: usize = 64 * 1024;

/// How long a revocation may take; a person who logs out waits for it.
const REVOCATION_TIMEOUT: Duration = Duration::from_secs(2);

/// The longest response that is read, in bytes.
const MAX_BODY: usize = 1_000_000;

/// The longest script of login methods that is read, in bytes.
const MAX_SCRIPT: usize = 256_000;

/// The longest waiting time that is accepted from the provider, in seconds.
const MAX_RETRY_AFTER: u64 = 3600;

/// Sends requests to the issuer.
///
/// - Redirects are not followed: one could send the client secret, or make us send requests, to any
///   host.
/// - The scheme is `https` unless the issuer is on this machine. Roots and proxy are those of the
///   [`Network`].
/// - Idle connections are not kept. While Lambda freezes a process, its connections break, and a code
///   sent over a broken connection cannot be sent again.
pub struct HttpProvider {
    issuer: Issuer,
    network: Network,
    /// Built at first use: most requests need no client.
    client: OnceLock<Client>,
}

impl HttpProvider {
    /// The provider at `issuer`. Sends no request yet.
    pub fn new(issuer: Issuer) -> Self {
        Self::over(issuer, Network::default())
    }

    /// The same, over another network than that of a function.
    pub const fn over(issuer: Issuer, network: Network) -> Self {
        Self { issuer, network, client: OnceLock::new() }
    }

    /// Sends a request to the provider and returns its response, whatever its status, for a check of
    /// the provider's settings.
    ///
    /// # Errors
    ///
    /// When the request is for another host, or no complete response arrives.
    pub async fn ask(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, ProviderError> {
        let request = Request::try_from(request).map_err(transport)?;
        if !self.issuer.owns(request.url()) {
            return Err(ProviderError::ForeignEndpoint("request"));
        }
        let mut received = self.client()?.execute(request).await.map_err(transport)?;
        let mut response = http::Response::new(Vec::new());
        *response.status_mut() = received.status();
        *response.headers_mut() = mem::take(received.headers_mut());
        *response.body_mut() = body(received, MAX_BODY).await?;
        Ok(response)
    }

    fn client(&self) -> Result<&Client, ProviderError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = build_client(&self.issuer, &self.network).map_err(ProviderError::Client)?;
        Ok(self.client.get_or_init(|| client))
    }

    async fn json(&self, url: Url) -> Result<Vec<u8>, ProviderError> {
        let response =
            send(self.client()?.get(url).header(header::ACCEPT, "application/json")).await?;
        expect_ok(&response)?;
        expect_json(&response)?;
        body(response, MAX_BODY).await
    }

    /// Sends a form to the token endpoint and returns the body of a 200. `client` authenticates.
    async fn tokens(
        &self,
        token_endpoint: &Url,
        form: &[(&str, &str)],
        client: (&ClientCredentials, ClientAuthentication),
    ) -> Result<Vec<u8>, RedeemError> {
        if !self.issuer.owns(token_endpoint) {
            return Err(RedeemError::ForeignEndpoint);
        }
        let request = self
            .client()
            .map_err(unavailable)?
            .post(token_endpoint.clone())
            .header(header::ACCEPT, "application/json");
        let request = authenticated(request, form, client);
        let response = send(request).await.map_err(unavailable)?;
        let status = response.status();
        if status.is_redirection() {
            return Err(RedeemError::Redirected);
        }
        if status.is_client_error() || status.is_server_error() {
            return Err(refused(response).await);
        }
        if status == StatusCode::OK {
            expect_json(&response).map_err(|error| RedeemError::Malformed(error.to_string()))?;
        }
        let body = match body(response, MAX_BODY).await {
            Ok(body) => body,
            Err(error @ (ProviderError::TimedOut | ProviderError::Unreachable(_))) => {
                return Err(unavailable(error));
            }
            Err(error) => return Err(RedeemError::Malformed(error.to_string())),
        };
        if status == StatusCode::OK {
            Ok(body)
        } else {
            Err(RedeemError::Malformed(format!("status {}", status.as_u16())))
        }
    }
}

#[async_trait]
impl IdentityProvider for HttpProvider {
    async fn metadata(&self) -> Result<Vec<u8>, ProviderError> {
        self.json(self.issuer.metadata_url()).await
    }

    async fn key_set(&self, jwks_uri: &Url) -> Result<Vec<u8>, ProviderError> {
        if !self.issuer.owns(jwks_uri) {
            return Err(ProviderError::ForeignEndpoint("jwks_uri"));
        }
        self.json(jwks_uri.clone()).await
    }

    async fn redeem(
        &self,
        token_endpoint: &Url,
        grant: AuthorizationCodeGrant<'_>,
    ) -> Result<TokenResponse, RedeemError> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", grant.code),
            ("redirect_uri", grant.redirect_uri),
            ("code_verifier", grant.code_verifier),
        ];
        let client = (grant.credentials, grant.authentication);
        TokenResponse::parse(&self.tokens(token_endpoint, &form, client).await?)
    }

    async fn refresh(
        &self,
        token_endpoint: &Url,
        grant: RefreshTokenGrant<'_>,
    ) -> Result<RefreshResponse, RedeemError> {
        let form = [("grant_type", "refresh_token"), ("refresh_token", grant.refresh_token)];
        let client = (grant.credentials, grant.authentication);
        RefreshResponse::parse(&self.tokens(token_endpoint, &form, client).await?)
    }

    async fn revoke(
        &self,
        revocation_endpoint: &Url,
        grant: RefreshTokenGrant<'_>,
    ) -> Result<(), ProviderError> {
        if !self.issuer.owns(revocation_endpoint) {
            return Err(ProviderError::ForeignEndpoint("revocation_endpoint"));
        }
        let form = [("token", grant.refresh_token), ("token_type_hint", "refresh_token")];
        let client = (grant.credentials, grant.authentication);
        let request =
            authenticated(self.client()?.post(revocation_endpoint.clone()), &form, client);
        expect_ok(&send(request.timeout(REVOCATION_TIMEOUT)).await?)
    }

    async fn user_info(
        &self,
        userinfo_endpoint: &Url,
        access_token: &SecretString,
    ) -> Result<UserInfoResponse, ProviderError> {
        if !self.issuer.owns(userinfo_endpoint) {
            return Err(ProviderError::ForeignEndpoint("userinfo_endpoint"));
        }
        let request = self
            .client()?
            .get(userinfo_endpoint.clone())
            .header(header::ACCEPT, "application/json")
            .bearer_auth(access_token.expose_secret());
        let response = send(request.timeout(USER_INFO_TIMEOUT)).await?;
        expect_ok(&response)?;
        if media_type(&response) == "application/jwt" {
            let text = String::from_utf8(body(response, MAX_USER_INFO).await?);
            let text = text.map_err(|_| ProviderError::Malformed("not a token".to_owned()))?;
            return Ok(UserInfoResponse::Signed(text.into()));
        }
        expect_json(&response)?;
        Ok(UserInfoResponse::Json(body(response, MAX_USER_INFO).await?))
    }

    async fn login_methods(&self, client_id: &str) -> Result<Vec<u8>, ProviderError> {
        let url = script_url(&self.issuer, client_id)?;
        let response = send(self.client()?.get(url).timeout(SCRIPT_TIMEOUT)).await?;
        expect_ok(&response)?;
        body(response, MAX_SCRIPT).await
    }
}

impl fmt::Debug for HttpProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HttpProvider").field(&self.issuer).finish()
    }
}

fn build_client(
    issuer: &Issuer,
    network: &Network,
) -> Result<Client, Box<dyn Error + Send + Sync>> {
    let client = network
        .client()?
        .https_only(issuer.url().scheme() == "https")
        .pool_max_idle_per_host(0)
        .connect_timeout(TIMEOUT)
        .timeout(TIMEOUT)
        .user_agent(concat!("auth0-lambda/", env!("CARGO_PKG_VERSION")))
        .build()?;
    Ok(client)
}

/// The URL of an application's login methods: on Auth0's CDN for the region of the tenant, or on the
/// custom domain itself.
fn script_url(issuer: &Issuer, client_id: &str) -> Result<Url, ProviderError> {
    let mut url = match issuer.url().host() {
        Some(Host::Domain(domain)) if domain.ends_with(".auth0.com") => {
            let labels: Vec<_> = domain.split('.').collect();
            let cdn = match labels[..] {
                [.., _, region, "auth0", "com"] => format!("https://cdn.{region}.auth0.com/"),
                _ => "https://cdn.auth0.com/".to_owned(),
            };
            Url::parse(&cdn).map_err(|error| ProviderError::Malformed(error.to_string()))?
        }
        _ => issuer.url().clone(),
    };
    if let Ok(mut path) = url.path_segments_mut() {
        path.clear().push("client").push(&format!("{client_id}.js"));
    }
    Ok(url)
}

/// A request with `form` and the application's credentials, in one place only (RFC 6749 §2.3). In the
/// header they are form-encoded first (§2.3.1).
fn authenticated(
    request: RequestBuilder,
    form: &[(&str, &str)],
    (credentials, authentication): (&ClientCredentials, ClientAuthentication),
) -> RequestBuilder {
    let (id, secret) = (credentials.client_id.as_str(), credentials.client_secret.expose_secret());
    match authentication {
        ClientAuthentication::Basic => {
            let encoded =
                |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            request.basic_auth(encoded(id), Some(encoded(secret))).form(form)
        }
        ClientAuthentication::Post => {
            request.form(&[form, &[("client_id", id), ("client_secret", secret)]].concat())
        }
    }
}

async fn send(request: RequestBuilder) -> Result<Response, ProviderError> {
    request.send().await.map_err(transport)
}

/// The URL is removed from the error, because it may contain the client id.
fn transport(error: reqwest::Error) -> ProviderError {
    if error.is_timeout() {
        ProviderError::TimedOut
    } else {
        ProviderError::Unreachable(Box::new(error.without_url()))
    }
}

const fn unavailable(source: ProviderError) -> RedeemError {
    RedeemError::Unavailable { retry_after: None, said: None, source: Some(source) }
}

/// The meaning of a 4xx or 5xx of the token endpoint. The body takes precedence over the status: Auth0
/// sometimes denies with 500.
async fn refused(response: Response) -> RedeemError {
    let (status, retry_after) = (response.status(), retry_after(&response));
    let body = body(response, MAX_BODY).await;
    match body.ok().and_then(|body| ErrorResponse::of_body(status, &body)) {
        Some(said) if said.meaning() != ErrorMeaning::Passes => RedeemError::Refused(said),
        said => RedeemError::Unavailable { retry_after, said, source: None },
    }
}

fn expect_ok(response: &Response) -> Result<(), ProviderError> {
    match response.status() {
        StatusCode::OK => Ok(()),
        status if status.is_redirection() => Err(ProviderError::Redirected),
        status => Err(ProviderError::Status(status.as_u16())),
    }
}

/// Accepts `application/json` and types based on it, such as `application/jwk-set+json`.
fn expect_json(response: &Response) -> Result<(), ProviderError> {
    let name = media_type(response);
    let json =
        name == "application/json" || (name.starts_with("application/") && name.ends_with("+json"));
    if json { Ok(()) } else { Err(ProviderError::Malformed("not JSON by its type".to_owned())) }
}

/// The media type in lower case, without parameters.
fn media_type(response: &Response) -> String {
    let named = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let name = named.unwrap_or_default().split(';').next().unwrap_or_default();
    name.trim().to_ascii_lowercase()
}

/// Stops reading at `limit`, regardless of the announced length.
async fn body(mut response: Response, limit: usize) -> Result<Vec<u8>, ProviderError> {
    if response.content_length().is_some_and(|length| length > limit as u64) {
        return Err(ProviderError::TooLarge(limit));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(transport)? {
        if bytes.len() + chunk.len() > limit {
            return Err(ProviderError::TooLarge(limit));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// The header's number of seconds (RFC 9110 §10.2.3); a date is ignored.
fn retry_after(response: &Response) -> Option<Duration> {
    let seconds =
        response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.parse::<u64>().ok()?;
    Some(Duration::from_secs(seconds.min(MAX_RETRY_AFTER)))
}

#[cfg(test)]
mod tests;

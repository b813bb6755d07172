//! The development identity provider: a substitute for an Auth0 tenant on a developer's machine.
//!
//! It implements Auth0's dialect of OAuth 2.0 and OpenID Connect and is strict. It requires PKCE, the
//! client secret and exact redirect URIs. A code works once and for one minute. Refresh tokens rotate.
//! A client that works with it works with Auth0; a faulty client fails here first.
//!
//! It has no passwords. Anyone who reaches it can log in as any user. So it listens on loopback only,
//! accepts only localhost's names as host, and refuses to start inside Lambda.
//!
//! | path | file |
//! |---|---|
//! | `/.well-known/openid-configuration`, `/.well-known/jwks.json` | `discovery` |
//! | `/authorize` | `authorize` |
//! | `/u/login` | `login` |
//! | `/oauth/token` | `token` |
//! | `/oauth/revoke` | `revoke` |
//! | `/userinfo` | `userinfo` |
//! | `/oidc/logout`, `/v2/logout` | `logout` |
//! | `/client/{client_id}.js` | `client_script` |
//! | `/pictures/{name}` | `pictures` |
//! | `/`, `/sessions/end` | `home` |

mod authorize;
mod backchannel;
mod browser;
mod client_script;
mod connections;
mod discovery;
mod expiring;
mod guard;
mod home;
mod issuance;
mod keys;
mod login;
mod logout;
mod options;
mod organizations;
mod pages;
mod parameters;
mod pictures;
mod provider;
mod revoke;
mod scope;
mod state;
#[cfg(test)]
mod tests;
mod token;
mod userinfo;
mod users;

use std::{io, net::SocketAddr, sync::Arc};

use axum::{
    Router, middleware,
    routing::{get, post},
};
use shared::{clock::Clock, crypto::random::Random};
use tokio::net::TcpListener;

#[cfg(feature = "backends")]
pub(crate) use self::guard::is_loopback_name;
pub(crate) use self::options::is_plain_loopback;
use self::{
    backchannel::BackchannelClient, keys::SigningKey, provider::Provider, state::SharedState,
};
pub use self::{
    backchannel::ClientError,
    keys::KeyError,
    options::{InvalidUrl, Options, Surroundings},
};

/// Why the provider did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It has no passwords, so only this machine may reach it.
    #[error("the development identity provider listens on loopback only, not on {0}")]
    NotLoopback(SocketAddr),
    /// In the cloud it would let anyone log in as any user.
    #[error("the development identity provider refuses to run inside AWS Lambda; set AUTH_HOST")]
    InsideLambda,
    /// A configured URL is unusable.
    #[error(transparent)]
    InvalidUrl(#[from] InvalidUrl),
    /// The port is in use, or listening on it is not permitted.
    #[error("the development identity provider cannot listen on {address}: {source}")]
    Bind {
        /// The address that it tried to bind.
        address: SocketAddr,
        /// The operating system's error.
        source: io::Error,
    },
    /// The signing key could not be created.
    #[error("the development identity provider cannot start: {0}")]
    SigningKey(#[from] KeyError),
    /// The client that delivers logout tokens could not be built.
    #[error("the development identity provider cannot build its HTTP client: {0}")]
    HttpClient(#[from] ClientError),
}

/// A provider that has bound its port and is ready to serve.
pub struct IdentityProvider {
    listener: TcpListener,
    provider: Arc<Provider>,
}

impl IdentityProvider {
    /// Binds the port and creates the signing key. Port 0 binds any free port; see [`Self::issuer`].
    ///
    /// # Errors
    ///
    /// Rejects an address that is not loopback, and [`Surroundings::Lambda`].
    pub async fn bind(
        address: SocketAddr,
        options: Options,
        surroundings: Surroundings,
        clock: Clock,
        random: Random,
    ) -> Result<Self, StartError> {
        if surroundings == Surroundings::Lambda {
            return Err(StartError::InsideLambda);
        }
        if !address.ip().is_loopback() {
            return Err(StartError::NotLoopback(address));
        }
        options.check()?;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| StartError::Bind { address, source })?;
        let port =
            listener.local_addr().map_err(|source| StartError::Bind { address, source })?.port();
        let provider = Provider {
            issuer: format!("http://localhost:{port}/"),
            port,
            key: SigningKey::generate(&random)?,
            backchannel: BackchannelClient::new()?,
            state: SharedState::default(),
            options,
            clock,
            random,
        };
        Ok(Self { listener, provider: Arc::new(provider) })
    }

    /// `http://localhost:PORT/`, with the trailing slash that Auth0's issuers have.
    pub fn issuer(&self) -> &str {
        &self.provider.issuer
    }

    /// A handle for administrative actions while the provider serves.
    pub fn handle(&self) -> Handle {
        Handle { provider: Arc::clone(&self.provider) }
    }

    /// Answers requests until the future is dropped.
    ///
    /// # Errors
    ///
    /// If the listener fails.
    pub async fn serve(self) -> io::Result<()> {
        axum::serve(self.listener, router(self.provider)).await
    }
}

/// Administrative actions on a running provider, like those of an administrator on a tenant.
#[derive(Clone)]
pub struct Handle {
    provider: Arc<Provider>,
}

impl Handle {
    /// Ends every session of the user with this `sub` and notifies the client by back-channel, as when
    /// an administrator revokes them. Tokens already issued stay valid, as at Auth0. Returns the number
    /// of ended sessions after the client was notified.
    pub async fn end_sessions_of(&self, subject: &str) -> usize {
        let ended = self.provider.state.lock().end_sessions_of(subject, self.provider.now());
        for session in &ended {
            self.provider.deliver_logout_token(session).await;
        }
        ended.len()
    }
}

fn router(provider: Arc<Provider>) -> Router {
    let forms = Router::new()
        .route("/sessions/end", post(home::end_session))
        .route("/u/login", get(login::show).post(login::submit))
        .route("/oidc/logout/confirm", post(logout::confirm))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&provider), guard::own_forms_only));
    Router::new()
        .merge(forms)
        .route("/", get(home::show))
        .route("/.well-known/openid-configuration", get(discovery::metadata))
        .route("/.well-known/jwks.json", get(discovery::key_set))
        .route("/authorize", get(authorize::authorize))
        .route("/oauth/token", post(token::token))
        .route("/oauth/revoke", post(revoke::revoke))
        .route("/oidc/logout", get(logout::logout).post(logout::logout))
        .route("/v2/logout", get(logout::without_confirmation))
        .route("/userinfo", get(userinfo::userinfo))
        .route("/client/{script}", get(client_script::client_script))
        .route("/pictures/{picture}", get(pictures::picture))
        .route("/style.css", get(pages::stylesheet))
        .route("/icon.svg", get(pages::icon))
        .fallback(pages::not_found)
        .method_not_allowed_fallback(pages::method_not_allowed)
        .layer(middleware::from_fn_with_state(Arc::clone(&provider), guard::own_name_only))
        .layer(middleware::map_response(guard::protective_headers))
        .with_state(provider)
}

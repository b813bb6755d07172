//! The HTTP server of the emulated table: DynamoDB's protocol for callers with this run's access key.
//!
//! A web page in a browser on this machine can also send requests to loopback. The emulator's own
//! server would answer them and let the page read the response, so that server is not used.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    response::{IntoResponse, Response},
};
use dynoxide::{Database, DynoxideError};
use http::{HeaderMap, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;
use shared::crypto::secret::equal;

use crate::identity_provider::is_loopback_name;

/// Maximum size of a request body, as at DynamoDB.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// The emulated table and the access key that opens it.
pub(super) struct Table {
    pub(super) database: Database,
    pub(super) access_key_id: SecretString,
}

/// Why a request is rejected.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
enum Forbidden {
    /// A web page sent the request.
    #[error("no page may use this table")]
    Page,
    /// The `Host` is not a name of this machine (DNS rebinding).
    #[error("this table accepts requests to localhost only")]
    ForeignHost,
    /// The access key is missing or belongs to another run.
    #[error("the access key is not that of this run")]
    AccessKey,
}

/// The router for requests to the table.
pub(super) fn router(table: Table) -> Router {
    Router::new()
        .fallback(handle)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(Arc::new(table))
}

async fn handle(State(table): State<Arc<Table>>, headers: HeaderMap, body: Bytes) -> Response {
    if let Err(forbidden) = table.authorize(&headers) {
        let error = json!({
            "__type": "com.amazon.coral.service#AccessDeniedException",
            "message": forbidden.to_string(),
        });
        return reply(StatusCode::FORBIDDEN, error.to_string());
    }
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let operation = target.and_then(|target| target.strip_prefix("DynamoDB_20120810."));
    let (database, body) = (&table.database, &*body);
    let outcome = match operation.unwrap_or_default() {
        "BatchGetItem" => call(body, |request| database.batch_get_item(request)),
        "DeleteItem" => call(body, |request| database.delete_item(request)),
        "GetItem" => call(body, |request| database.get_item(request)),
        "PutItem" => call(body, |request| database.put_item(request)),
        "Query" => call(body, |request| database.query(request)),
        "Scan" => call(body, |request| database.scan(request)),
        "TransactWriteItems" => call(body, |request| database.transact_write_items(request)),
        "UpdateItem" => call(body, |request| database.update_item(request)),
        _ => Err(DynoxideError::ValidationException("not an operation of this table".to_owned())),
    };
    match outcome {
        Ok(json) => reply(StatusCode::OK, json),
        Err(error) => {
            let status = StatusCode::from_u16(error.status_code());
            reply(status.unwrap_or(StatusCode::BAD_REQUEST), error.to_json())
        }
    }
}

impl Table {
    fn authorize(&self, headers: &HeaderMap) -> Result<(), Forbidden> {
        if headers.contains_key(header::ORIGIN) {
            return Err(Forbidden::Page);
        }
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok());
        if hosts.next().is_some() || !host.is_some_and(is_loopback_name) {
            return Err(Forbidden::ForeignHost);
        }
        let mut authorizations = headers.get_all(header::AUTHORIZATION).iter();
        let authorization = authorizations.next().and_then(|value| value.to_str().ok());
        let key = authorization.and_then(access_key_id).unwrap_or_default();
        if authorizations.next().is_some() || !equal(key, self.access_key_id.expose_secret()) {
            return Err(Forbidden::AccessKey);
        }
        Ok(())
    }
}

/// The access key in a Signature Version 4: `AWS4-HMAC-SHA256 Credential=KEY/date/region/service/…, …`.
fn access_key_id(authorization: &str) -> Option<&str> {
    let (_, credential) = authorization.split_once(" Credential=")?;
    credential.split('/').next()
}

fn call<Q: DeserializeOwned, R: Serialize>(
    body: &[u8],
    run: impl FnOnce(Q) -> dynoxide::Result<R>,
) -> dynoxide::Result<String> {
    let malformed =
        |error: serde_json::Error| DynoxideError::SerializationException(error.to_string());
    serde_json::to_string(&run(serde_json::from_slice(body).map_err(malformed)?)?)
        .map_err(malformed)
}

fn reply(status: StatusCode, json: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/x-amz-json-1.0")], json).into_response()
}
